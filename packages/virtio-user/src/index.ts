export type { MemoryOptions, QueueName, ReconnectOptions } from '@vio/net';
export { type VirtioUserConfig, type VirtioUserOptions, parseConfig } from './config/config.ts';
export { parseDevargs } from './config/devargs.ts';
export type { ControlQueueOwner, OpenOptions } from './config/open-options.ts';
export type { SocketOptions } from './connect/connect.ts';
export { type PodPlaces, podDevargs } from './pod-contract.ts';
export { openVirtioUser } from './open.ts';
export { VirtioUserPort } from './virtio-user-port.ts';
