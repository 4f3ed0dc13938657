import type { BufferPool, DriverQueue } from '@vio/rings';

/**
 * Keeps a receive queue supplied with empty buffers, in bulk: a refill waits until `threshold` descriptors are free,
 * so that its cost, and the cache line of the index, is shared by many packets.
 */
export class RxRefill {
  readonly #queue: DriverQueue;
  readonly #pool: BufferPool;
  readonly #header: number;
  readonly #threshold: number;

  constructor(queue: DriverQueue, pool: BufferPool, header: number) {
    this.#queue = queue;
    this.#pool = pool;
    this.#header = header;
    this.#threshold = Math.min(32, Math.max(1, queue.size >>> 2));
  }

  /** @returns true if buffers were added, so that the device may want a kick */
  run(): boolean {
    const { free } = this.#queue;
    return free >= this.#threshold && this.#pool.supply(this.#queue, free, this.#header) > 0;
  }
}
