export { defaultProtocolFeatures, usableProtocolFeatures } from './protocol-choice.ts';
export { FrontendDevice } from './frontend-device.ts';
export { VhostUserFrontend, type VhostUserOptions } from './vhost-user-frontend.ts';
