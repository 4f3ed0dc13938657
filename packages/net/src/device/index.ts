export {
  type ConfigField,
  type ConfigSpace,
  configBytes,
  configFields,
  configSpaceBytes,
  configSpaceHead,
  decodeConfigSpace,
  encodeConfigSpace,
} from './config-space.ts';
export { DevicePort, type DevicePortParts } from './device-port.ts';
export * from './device-status.ts';
export { type Devargs, devargValueError, splitDevargs, unknownDevarg } from './devargs.ts';
export { type FeatureWishes } from './features/choose-features.ts';
export { ConfigWatch, type ConfigHandlers } from './life/config-watch.ts';
export type { QueueName } from './life/reset-queue.ts';
export { type Duplex, linkSpeeds, unknownSpeed } from './link-speed.ts';
export { isMac, isMulticast, macFromBytes, macToBytes, randomMac } from './mac-address.ts';
export {
  type DeviceMemory,
  type MemoryOptions,
  type MemoryRequest,
  sharedMemory,
} from './memory/device-memory.ts';
export type * from './net-device.ts';
export { openPort, openPortAs } from './open-port.ts';
export {
  type PortOptions,
  type PortReconnect,
  type ReconnectOptions,
  checkPortOptions,
  defaultTimeout,
} from './port-options.ts';
