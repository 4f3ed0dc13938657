// What the other packages of vio use besides, and nobody else: it may change in every version.
export type { SavedChains } from './device/saved-chains.ts';
export { SingleBurst, type SingleKind } from './device/single-burst.ts';
export { DirtyLog } from './memory/dirty-log.ts';
export { LoggedDevice, type LoggedDeviceOptions } from './dirty-log/logged-device.ts';
export {
  type CommandPart,
  type CommandQueue,
  type CommandQueueOptions,
  type CommandState,
  createCommandQueue,
} from './driver/command-queue.ts';
export { ForwardingRing } from './driver/forwarding-ring.ts';
export { needEvent } from './event-index.ts';
export { ringFeatureNames } from './feature-bits.ts';
export { forgetIfIdle, isTracked } from './inflight/forget.ts';
export { type DescriptorWords, InflightEntries } from './inflight/inflight-entries.ts';
export { checkRingSize, isRingSize } from './layout/ring-size.ts';
export { Iotlb, mayRead, mayWrite, translationPage } from './memory/iotlb.ts';
export { LateWindow } from './memory/memory-map.ts';
export { maxRegionSize, registerRegion } from './memory/region.ts';
