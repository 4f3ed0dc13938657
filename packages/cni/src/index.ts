export { type Command, commands } from './environment.ts';
export { CniError, codes } from './errors.ts';
export { runPlugin } from './plugin.ts';
