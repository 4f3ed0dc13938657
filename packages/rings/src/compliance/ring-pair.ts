import type { DeviceQueue } from '../device/device-queue.ts';
import type { DriverQueue } from '../driver/driver-queue.ts';
import type { RingFeatures } from '../format.ts';
import type { BufferPool } from '../memory/buffer-pool.ts';
import type { MemoryMap } from '../memory/memory-map.ts';

/** Both sides of one virtqueue, however far apart: what a transport under test connects. */
export interface RingPair {
  /** The driver's side. */
  readonly driver: DriverQueue;
  /** The device's side. */
  readonly device: DeviceQueue;
  /** Buffers of the driver; at least `poolBuffers(size)`, each with headroom and room for 64 bytes or more. */
  readonly pool: BufferPool;
  /** The driver's memory as the device sees it. */
  readonly memory: MemoryMap;
  /** Is called when the test is over. */
  close?(): void | Promise<void>;
}

/** The ring that a test needs. */
export interface RingPairRequest {
  /** Descriptors. */
  readonly size: number;
  /** What is negotiated for the ring. */
  readonly features: RingFeatures;
  /** The direction of the queue, as in `DriverQueueOptions`. */
  readonly deviceWrites: boolean;
}

/** Builds the two sides of a ring for a test. */
export type RingPairFactory = (request: RingPairRequest) => RingPair | Promise<RingPair>;

/** Segments of the longest packet: more than an indirect table has entries, so that it goes out as a direct chain. */
export const longestPacket = 10;

/**
 * More than any ring of this size can hold, with packets of the longest kind in every slot and as many again on their
 * way, so that it is the ring that runs full.
 */
export function poolBuffers(size: number): number {
  return 2 * longestPacket * (size + 1);
}
