// What applications use. What only the other packages of vio need is in internal.ts.
export type { MemoryOptions, QueueName, ReconnectOptions } from '@vio/net';
export type { BackendKind } from './config/backend-kind.ts';
export type { SocketOptions } from './config/backend-place.ts';
export type { VirtioUserConfig, VirtioUserOptions } from './config/config.ts';
export type { BackendDescriptors } from './config/descriptors.ts';
export type { OpenOptions } from './config/open-options.ts';
export { type PodPlaces, podDevargs } from './config/pod-contract.ts';
export { openVirtioUser } from './open.ts';
export { VirtioUserPort } from './virtio-user-port.ts';
