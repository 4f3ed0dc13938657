export {
  type ControlCommand,
  type HashConfig,
  type RssConfig,
  type RxMode,
  VIRTIO_NET_ERR,
  VIRTIO_NET_OK,
  requiredFeatures,
} from './commands.ts';
export { type EncodedCommand, decodeCommand, encodeCommand } from './codec.ts';
export type { ControlChannel } from './control-channel.ts';
export { ControlQueue, type ControlQueueOptions } from './control-queue.ts';
export { ControlResponder, type ControlResponderOptions } from './control-responder.ts';
export { commandRefused } from './control-errors.ts';
export { pairSwitch } from './pair-switch.ts';
export { NetControl, type NetControlOptions, type QueuePairsListener } from './net-control.ts';
