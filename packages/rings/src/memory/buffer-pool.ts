import { type KernelPool, type OptionNames, checkOptions, driverJob, heldArray } from '@vio/native/internal';
import type { Burst } from '../burst.ts';
import type { Region } from './region.ts';

/** Where a pool lies, and how large its buffers are. */
export interface BufferPoolOptions {
  /** The region that the buffers lie in. */
  readonly region: Region;
  /** Byte offset of the first buffer in the region, a multiple of 64. */
  readonly offset: number;
  /** Number of buffers. */
  readonly count: number;
  /** Buffers there is room for, those of `grow` included; default `count`. */
  readonly capacity?: number;
  /** Bytes for data in each buffer behind the headroom, default 2048. */
  readonly dataRoom?: number;
  /** Bytes in front of the data, default 128; a header in front of a packet lives here. */
  readonly headroom?: number;
}

const optionNames: OptionNames<BufferPoolOptions> = {
  region: true,
  offset: true,
  count: true,
  capacity: true,
  dataRoom: true,
  headroom: true,
};

/** A queue that gives buffers back to a pool. */
export interface ReapedQueue {
  /** Takes back up to `max` used buffers: their tokens, the pool's indexes, from entry `from` on. @returns how many */
  reap(token: Int32Array, length: undefined, from: number, max: number): number;
}

/** A queue that takes empty buffers from a pool. */
export interface SuppliedQueue {
  /** Exposes `bytes` bytes of each of `count` buffers, from `base + token * stride` on. @returns how many */
  addBuffers(
    token: Int32Array,
    from: number,
    count: number,
    base: number,
    stride: number,
    bytes: number,
  ): number;
}

/**
 * Fixed-size buffers in a region, handed out by index. Owned by one thread. The free list is a stack, so the
 * buffer given back last, still in cache, is the next one out.
 */
export class BufferPool {
  /** The region that the buffers lie in. */
  readonly region: Region;
  /** Their indexes are below this. */
  readonly capacity: number;
  /** Bytes for data in each buffer, behind the headroom. */
  readonly dataRoom: number;
  /** Bytes in front of the data of each buffer. */
  readonly headroom: number;
  /** Bytes from one buffer to the next, a multiple of 64. */
  readonly stride: number;
  /** Region offset of buffer 0's data (headroom already skipped): data of buffer b starts at `dataBase + b * stride`. */
  readonly dataBase: number;
  /** For packets of several segments: the following buffer, or -1. `capacity` entries each. */
  readonly next: Int32Array;
  /** For packets of several segments: region offset of each buffer's data. */
  readonly dataOffset: Int32Array;
  /** For packets of several segments: bytes of data in each buffer. */
  readonly dataLength: Int32Array;
  readonly #stack: Int32Array;
  #count: number;
  /** The index behind the last buffer. */
  #end: number;
  #free: number;
  #reclaimers: readonly (() => void)[] = [];

  /** @throws RangeError when the buffers do not fit; VioError VIO_OPTION_UNKNOWN */
  constructor(options: BufferPoolOptions) {
    checkOptions('BufferPool', options, optionNames);
    this.region = options.region;
    this.#count = options.count;
    this.capacity = options.capacity ?? options.count;
    this.dataRoom = options.dataRoom ?? 2048;
    this.headroom = options.headroom ?? 128;
    this.stride = poolStride(this.dataRoom, this.headroom);
    if (options.offset % 64 !== 0 || options.offset + this.capacity * this.stride > this.region.size) {
      throw new RangeError(
        `${this.capacity} buffers of ${this.stride} bytes do not fit at offset ${options.offset}`,
      );
    }
    this.dataBase = options.offset + this.headroom;
    this.next = heldArray(Int32Array, this.capacity).fill(-1);
    this.dataOffset = heldArray(Int32Array, this.capacity);
    this.dataLength = heldArray(Int32Array, this.capacity);
    this.#stack = heldArray(Int32Array, this.capacity);
    for (let i = 0; i < this.capacity; i++) this.#stack[i] = options.count - 1 - i;
    this.#free = options.count;
    this.#end = options.count;
  }

  /** Number of buffers. */
  get count(): number {
    return this.#count;
  }

  /**
   * Adds the buffers `first` to `first + count - 1`, once their memory may be used. Indexes may be left out.
   * @param first at least the index behind the last buffer there is
   * @throws RangeError when there is no room for them
   */
  grow(first: number, count: number): void {
    if (first < this.#end || first + count > this.capacity) {
      throw new RangeError(
        `buffers ${first} to ${first + count - 1} cannot join a pool for ${this.capacity}`,
      );
    }
    this.#stack.copyWithin(count, 0, this.#free);
    for (let i = 0; i < count; i++) this.#stack[i] = first + count - 1 - i;
    this.#free += count;
    this.#count += count;
    this.#end = first + count;
  }

  /** Buffers that can be allocated now. */
  get free(): number {
    return this.#free;
  }

  /** @returns how many of `count` buffers there are, after asking everybody who could give some back */
  available(count: number): number {
    if (count > this.#free) for (const reclaim of this.#reclaimers) reclaim();
    return count < this.#free ? count : this.#free;
  }

  /**
   * Takes buffers out of the pool.
   * @param out receives the indexes, from entry `from` on
   * @returns how many, 0 to `count`
   */
  alloc(out: Int32Array, from: number, count: number): number {
    const n = this.available(count);
    const end = from + n;
    let top = this.#free;
    const stack = this.#stack;
    for (let i = from; i < end; i++) out[i] = stack[--top];
    this.#free = top;
    return n;
  }

  /**
   * Takes a buffer for each of `count` packets of one segment and `bytes` each, and describes them in the burst, from
   * entry 0 on; the caller writes the data.
   * @param count packets, at most the burst's capacity
   * @param bytes 1 to `dataRoom`
   * @returns how many there were, which is also `burst.count`
   */
  allocBurst(burst: Burst, count: number, bytes: number): number {
    const n = this.available(count);
    const { buffer, offset, length, segments } = burst;
    const { dataBase, stride } = this;
    let top = this.#free;
    const stack = this.#stack;
    for (let i = 0; i < n; i++) {
      const b = stack[--top];
      buffer[i] = b;
      offset[i] = dataBase + Math.imul(b, stride);
      length[i] = bytes;
      segments[i] = 1;
    }
    this.#free = top;
    burst.count = n;
    return n;
  }

  /**
   * Names somebody who holds buffers that are done with, as a transmit queue with lazily collected completions does:
   * `reclaim` is called when the pool runs short, and gives back what it can.
   * @returns takes it back
   */
  onShortage(reclaim: () => void): () => void {
    this.#reclaimers = [...this.#reclaimers, reclaim];
    return () => {
      this.#reclaimers = this.#reclaimers.filter((other) => other !== reclaim);
    };
  }

  /** Gives back `count` buffers from entry `from` on, one segment each. */
  release(buffers: Int32Array, from: number, count: number): void {
    const stack = this.#stack;
    const end = from + count;
    let top = this.#free;
    for (let i = from; i < end; i++) stack[top++] = buffers[i];
    this.#free = top;
  }

  /**
   * Takes back up to `max` buffers that a queue's device is done with, one segment each.
   * @returns how many
   */
  reap(queue: ReapedQueue, max: number): number {
    // Tokens of the queue are buffers of this pool: they go right where they belong.
    const n = queue.reap(this.#stack, undefined, this.#free, max);
    this.#free += n;
    return n;
  }

  /**
   * Hands up to `count` empty buffers to a queue whose device writes them, `prefix` bytes in front of the data
   * included.
   * @returns how many
   */
  supply(queue: SuppliedQueue, count: number, prefix: number): number {
    const n = this.available(count);
    // Those given back last, which are still in cache, right off the stack.
    const from = this.#free - n;
    const base = this.dataBase - prefix;
    const taken = queue.addBuffers(this.#stack, from, n, base, this.stride, this.dataRoom + prefix);
    if (taken < n) this.#stack.copyWithin(from, from + taken, this.#free);
    this.#free -= taken;
    return taken;
  }

  /**
   * Says to a kernel what does not change.
   * @returns the pool's own arrays, which it shares with the kernel
   * @internal For kernels.
   */
  describe(job: Int32Array): KernelPool {
    job[driverJob.base] = this.dataBase;
    job[driverJob.stride] = this.stride;
    job[driverJob.dataRoom] = this.dataRoom;
    const { next, dataOffset, dataLength } = this;
    return { stack: this.#stack, next, dataOffset, dataLength };
  }

  /**
   * Lends the free buffers to a kernel for one run.
   * @internal For kernels.
   */
  lend(job: Int32Array): void {
    job[driverJob.poolFree] = this.#free;
  }

  /**
   * Takes them back.
   * @internal For kernels.
   */
  takeBack(job: Int32Array): void {
    this.#free = job[driverJob.poolFree];
  }

  /** Gives back a packet of several segments: `head` and everything behind it through `next`. */
  releaseChain(head: number): void {
    for (let b = head; b !== -1;) {
      const following = this.next[b];
      this.next[b] = -1;
      this.#stack[this.#free++] = b;
      b = following;
    }
  }
}

/** Bytes from one buffer to the next. */
export function poolStride(dataRoom: number, headroom: number): number {
  return (dataRoom + headroom + 63) & ~63;
}
