// What a port has of vhost-user: it is an entry of its own, since whoever opens one needs nothing of backends, which are four times as large.
export { defaultProtocolFeatures, usableProtocolFeatures } from './protocol-choice.ts';
export { FrontendDevice } from './frontend-device.ts';
export { VhostUserFrontend, type VhostUserOptions } from './vhost-user-frontend.ts';
export type { VhostUserRequests } from './vhost-user-requests.ts';
