// What the other packages of vio use besides, and nobody else: it may change in every version.
export { parseVirtioUserConfig } from './config/config.ts';
export { parseDevargs } from './config/devargs.ts';
