export { defaultProtocolFeatures, usableProtocolFeatures } from './protocol-choice.ts';
export { VhostUserFrontend, type VhostUserOptions } from './vhost-user-frontend.ts';
