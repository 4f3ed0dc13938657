// What a port has of rings: an entry of its own, since whoever opens one needs nothing of the device side, which is the larger half.
export { Burst } from './burst.ts';
export { ChainBurst } from './device/chain-burst.ts';
export { createCommandQueue } from './driver/command-queue.ts';
export { createDriverQueue, driverQueueBytes } from './driver/create-driver-queue.ts';
export { dumpRing } from './dump/dump-ring.ts';
export { driverPositions } from './dump/ring-positions.ts';
export { driverRingView } from './dump/ring-view.ts';
export * from './feature-bits.ts';
export { ringFeatures } from './format.ts';
export { checkRingSize, isRingSize } from './layout/ring-size.ts';
export { BufferPool, poolStride } from './memory/buffer-pool.ts';
export { Region, maxRegionSize, registerRegion } from './memory/region.ts';
