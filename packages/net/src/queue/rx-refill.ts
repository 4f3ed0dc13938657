import { type BufferPool, Burst, type DriverQueue } from '@vio/rings';

/**
 * Keeps a receive queue supplied with empty buffers, in bulk: a refill waits until `threshold` descriptors are free,
 * so that its cost, and the cache line of the index, is shared by many packets.
 */
export class RxRefill {
  readonly #queue: DriverQueue;
  readonly #pool: BufferPool;
  readonly #header: number;
  readonly #threshold: number;
  readonly #burst: Burst;

  constructor(queue: DriverQueue, pool: BufferPool, header: number) {
    this.#queue = queue;
    this.#pool = pool;
    this.#header = header;
    this.#threshold = Math.min(32, Math.max(1, queue.size >>> 2));
    this.#burst = new Burst(Math.min(64, queue.size));
  }

  /** @returns true if buffers were added, so that the device may want a kick */
  run(): boolean {
    const queue = this.#queue;
    const pool = this.#pool;
    const burst = this.#burst;
    let added = false;
    let free = queue.free;
    if (free < this.#threshold) return false;
    while (free > 0) {
      const n = pool.allocBurst(burst, free < burst.capacity ? free : burst.capacity, pool.dataRoom);
      if (n === 0) break;
      const taken = queue.add(burst.buffer, burst.offset, burst.length, 0, n, this.#header);
      if (taken < n) pool.release(burst.buffer, taken, n - taken);
      if (taken === 0) break;
      added = true;
      free -= taken;
    }
    return added;
  }
}
