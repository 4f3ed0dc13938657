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
  readonly #batch: number;
  readonly #buffer: Int32Array;
  readonly #offset: Int32Array;
  readonly #length: Int32Array;

  constructor(queue: DriverQueue, pool: BufferPool, header: number) {
    this.#queue = queue;
    this.#pool = pool;
    this.#header = header;
    this.#threshold = Math.min(32, Math.max(1, queue.size >>> 2));
    this.#batch = Math.min(64, queue.size);
    this.#buffer = new Int32Array(this.#batch);
    this.#offset = new Int32Array(this.#batch);
    this.#length = new Int32Array(this.#batch).fill(pool.dataRoom);
  }

  /** @returns true if buffers were added, so that the device may want a kick */
  run(): boolean {
    const queue = this.#queue;
    const pool = this.#pool;
    let added = false;
    let free = queue.free;
    if (free < this.#threshold) return false;
    while (free > 0) {
      const n = pool.alloc(this.#buffer, 0, free < this.#batch ? free : this.#batch);
      if (n === 0) break;
      for (let i = 0; i < n; i++) this.#offset[i] = pool.dataBase + this.#buffer[i] * pool.stride;
      const taken = queue.add(this.#buffer, this.#offset, this.#length, 0, n, this.#header);
      if (taken < n) pool.release(this.#buffer, taken, n - taken);
      if (taken === 0) break;
      added = true;
      free -= taken;
    }
    return added;
  }
}
