export { type VirtioUserConfig, type VirtioUserOptions, parseConfig } from './config.ts';
export type { SocketOptions } from './connect.ts';
export { parseDevargs } from './devargs.ts';
export { type ControlQueueOwner, type Negotiated, negotiate } from './negotiate.ts';
export { type OpenOptions, openVirtioUser } from './open.ts';
export type { MemoryOptions } from './port-memory.ts';
export type { ReconnectOptions } from './reconnect.ts';
export type { QueueName } from './reset-queue.ts';
export { VirtioUserPort } from './virtio-user-port.ts';
