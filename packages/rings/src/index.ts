export { Burst } from './burst.ts';
export type { IndirectDirection } from './device/chain-builder.ts';
export { ChainBurst } from './device/chain-burst.ts';
export { ChainBytes } from './device/chain-bytes.ts';
export { SingleBurst, type SingleKind } from './device/single-burst.ts';
export { createDeviceQueue, splitBaseFromUsedRing } from './device/create-device-queue.ts';
export { freshPackedBase, packedBaseFromRing } from './device/packed-base.ts';
export type {
  DeviceQueue,
  DeviceQueueOptions,
  DeviceVringAddresses,
  WindowOffset,
} from './device/device-queue.ts';
export type { SavedChains } from './device/saved-chains.ts';
export {
  type CommandPart,
  type CommandQueue,
  type CommandQueueOptions,
  type CommandState,
  createCommandQueue,
} from './driver/command-queue.ts';
export { createDriverQueue, driverQueueBytes } from './driver/create-driver-queue.ts';
export type { DriverQueue, DriverQueueOptions, VringAddresses } from './driver/driver-queue.ts';
export { dumpRing, ringDumpText } from './dump/dump-ring.ts';
export type {
  ChainDump,
  DescriptorDump,
  DumpOptions,
  EventDump,
  RingDump,
  UsedDump,
} from './dump/ring-dump.ts';
export { type RingMemory, type RingView, driverRingView } from './dump/ring-view.ts';
export { needEvent } from './event-index.ts';
export * from './feature-bits.ts';
export type { QueueFault, QueueFaultCode } from './fault.ts';
export { type RingFeatures, type RingFormat, ringFeatures } from './format.ts';
export { forgetIfIdle, isTracked } from './inflight/forget.ts';
export { entriesInFlight } from './inflight/in-flight.ts';
export { inflightBytes } from './inflight/inflight-layout.ts';
export { type InflightMemory, createTrackedDeviceQueue } from './inflight/tracked-device.ts';
export { checkRingSize } from './layout/ring-size.ts';
export { BufferPool, poolStride, type BufferPoolOptions } from './memory/buffer-pool.ts';
export { LateWindow, MemoryMap, type MemoryWindow } from './memory/memory-map.ts';
export { Region, maxRegionSize, registerRegion } from './memory/region.ts';
