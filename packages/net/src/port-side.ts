// What whoever opens a port has of this package: an entry of its own, since files of packets, metrics, segmentation, the device's half of
// a control queue and threads of one's own are for others.
export { ControlQueue } from './control/control-queue.ts';
export { commandRefused } from './control/control-errors.ts';
export { wholePairs } from './control/whole-pairs.ts';
export {
  configBytes,
  configFields,
  configSpaceBytes,
  decodeConfigSpace,
  encodeConfigSpace,
} from './device/config-space.ts';
export {
  devargFlag,
  devargForms,
  devargInteger,
  devargValueError,
  splitDevargs,
  unknownDevarg,
} from './device/devargs.ts';
export { DevicePort } from './device/device-port.ts';
export * from './device/device-status.ts';
export { networkCard } from './device/device-type.ts';
export { DownEvent } from './device/down-event.ts';
export { isSpeedDevarg, linkSpeeds, speedToReport } from './device/link-speed.ts';
export { sharedMemory } from './device/memory/device-memory.ts';
export { openPort, openPortAs } from './device/open-port.ts';
export {
  checkControlQueue,
  checkPortOptions,
  commonOptionNames,
  reconnectNames,
} from './device/port-options.ts';
export * from './feature-bits.ts';
export { isMac, macFromBytes, macToBytes } from './frames/mac-address.ts';
export { PacketBurst } from './packet-burst.ts';
export { NetPort } from './port/net-port.ts';
