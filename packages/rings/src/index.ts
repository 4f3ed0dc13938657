// What applications and transports use. What only the other packages of vio need is in internal.ts.
export { Burst } from './burst.ts';
export type { IndirectDirection } from './device/chain-builder.ts';
export { ChainBurst } from './device/chain-burst.ts';
export { ChainBytes } from './device/chain-bytes.ts';
export { createDeviceQueue, splitBaseFromUsedRing } from './device/create-device-queue.ts';
export type {
  DeviceQueue,
  DeviceQueueOptions,
  DeviceVringAddresses,
  WindowOffset,
} from './device/device-queue.ts';
export { freshPackedBase, packedBaseFromRing } from './device/packed-base.ts';
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
export {
  type RingPlace,
  type RingPositions,
  devicePositions,
  driverPositions,
} from './dump/ring-positions.ts';
export { type RingMemory, type RingView, driverRingView } from './dump/ring-view.ts';
export type { QueueFault, QueueFaultCode } from './fault.ts';
export {
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_NOTIFICATION_DATA,
  VIRTIO_F_NOTIFY_ON_EMPTY,
  VIRTIO_F_NOTIF_CONFIG_DATA,
  VIRTIO_F_ORDER_PLATFORM,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_SR_IOV,
  VIRTIO_F_VERSION_1,
} from './feature-bits.ts';
export { type RingFeatures, type RingFormat, ringFeatures } from './format.ts';
export { inflightBytes } from './inflight/inflight-layout.ts';
export { type InflightMemory, createTrackedDeviceQueue } from './inflight/tracked-device.ts';
export {
  BufferPool,
  type BufferPoolOptions,
  type ReapedQueue,
  type SuppliedQueue,
  poolStride,
} from './memory/buffer-pool.ts';
export type { Translation } from './memory/iotlb.ts';
export { MemoryMap, type MemoryWindow } from './memory/memory-map.ts';
export { Region } from './memory/region.ts';
