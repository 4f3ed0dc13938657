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
export * from './device-status.ts';
export { type Devargs, devargValueError, splitDevargs, unknownDevarg } from './devargs.ts';
export { type Duplex, linkSpeeds, unknownSpeed } from './link-speed.ts';
export { isMac, isMulticast, macFromBytes, macToBytes, randomMac } from './mac-address.ts';
