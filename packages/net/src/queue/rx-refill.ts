import type { BufferPool, DriverQueue } from '@vio/rings';
import type { QueueStats } from '../stats.ts';

/**
 * Keeps a receive queue supplied with empty buffers, in bulk: a refill waits until `threshold` descriptors are free,
 * so that its cost, and the cache line of the index, is shared by many packets.
 */
export class RxRefill {
  readonly #queue: DriverQueue;
  readonly #pool: BufferPool;
  readonly #header: number;
  /** Descriptors that are free before there is a refill; DPDK's rx_free_thresh. */
  readonly threshold: number;
  readonly #stats: QueueStats;

  constructor(queue: DriverQueue, pool: BufferPool, header: number, stats: QueueStats, threshold?: number) {
    this.#queue = queue;
    this.#pool = pool;
    this.#header = header;
    this.#stats = stats;
    this.threshold = threshold ?? Math.min(32, Math.max(1, queue.size >>> 2));
  }

  /** @returns true if buffers were added, so that the device may want a kick */
  run(): boolean {
    const { free } = this.#queue;
    if (free < this.threshold) return false;
    if (this.#pool.supply(this.#queue, free, this.#header) > 0) return true;
    if (this.#queue.broken === undefined) this.#stats.countStarvedRefill();
    return false;
  }
}
