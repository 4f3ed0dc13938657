import type { PacketBurst, QueueStats } from '@vio/net';
import type { BufferPool, DeviceQueue } from '@vio/rings';
import type { BurstCopier } from './burst-copier.ts';

/**
 * The fast way of a data path, for what most drivers send most of the time: packets in one descriptor each. What stops
 * it is for the way that takes everything.
 */
export interface SinglesPath {
  /** True when the last call stopped at a packet, or a chain of the driver, that is not of this kind. */
  readonly blocked: boolean;
  /**
   * Receives up to `wanted` packets into the burst, from entry 0 on, in buffers of `pool`.
   * @param wanted 1 to 64, and no more than the burst and the pool hold
   * @returns how many, which is also `burst.count`
   */
  take(pool: BufferPool, burst: PacketBurst, wanted: number): number;
  /** Delivers packets of the burst from `from` on, up to `end`. @returns how many */
  put(pool: BufferPool, burst: PacketBurst, from: number, end: number): number;
}

export interface SinglesOptions {
  readonly queue: DeviceQueue;
  readonly copier: BurstCopier;
  /** Bytes in front of the data that stay out of it. */
  readonly headerBytes: number;
  /** Bytes in front of a local buffer's data that are filled as well (the header); default 0. Not for writable rings. */
  readonly front?: number;
  /** Where it counts the packets that it has moved; default: nowhere. */
  readonly stats?: QueueStats | undefined;
  /** True: the device writes (a driver's receive queue). */
  readonly writable: boolean;
}
