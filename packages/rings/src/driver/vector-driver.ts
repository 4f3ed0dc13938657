import { type VectorKernel, vectorJob } from '@vio/native';
import type { Burst } from '../burst.ts';
import type { QueueFault } from '../fault.ts';
import type { RingFormat } from '../format.ts';
import type { BufferPool } from '../memory/buffer-pool.ts';
import type { DriverQueue, VringAddresses } from './driver-queue.ts';

/** Constants of this module, because V8 folds those and not imported ones. */
const FROM = vectorJob.from;
const COUNT = vectorJob.count;
const HEADER = vectorJob.header;
const BASE = vectorJob.base;
const STRIDE = vectorJob.stride;
const ROOM = vectorJob.dataRoom;
const COUNTS = vectorJob.counts;

/** A queue in TypeScript that lends itself to a kernel, call by call. */
export interface LendingDriver extends DriverQueue {
  /** Makes the kernel for this queue. */
  kernel(): VectorKernel;
  /** Writes into the job where the queue stands. */
  lend(job: Int32Array): void;
  /** The kernel added `count` buffers, or none. */
  takeBackAdded(job: Int32Array, count: number): void;
  /** The kernel took back `count` buffers, or none. */
  takeBackReaped(job: Int32Array, count: number): void;
}

/** Who counts what the kernel moved: 13 numbers from `at` on, in the order of DPDK's xstats. */
export interface BurstCounter {
  /** Adds counters that a kernel has counted. @param at index of the first in `counts` */
  countAll(counts: Int32Array, at: number): void;
}

/**
 * A driver queue for the vectorised paths: whole bursts of packets of one segment are received and sent in C++, in one
 * call each. It shares its state with a queue in TypeScript, which does everything else: chains, batches, and what a
 * device does wrong.
 */
export class VectorDriver implements DriverQueue {
  /** Layout of the ring. */
  readonly format: RingFormat;
  /** The device uses buffers in the order in which they became available. */
  readonly inOrder: boolean;
  readonly size: number;
  readonly addresses: VringAddresses;
  readonly #queue: LendingDriver;
  readonly #kernel: VectorKernel;
  readonly #job: Int32Array;

  constructor(queue: LendingDriver) {
    this.format = queue.format;
    this.inOrder = queue.inOrder;
    this.size = queue.size;
    this.addresses = queue.addresses;
    this.#queue = queue;
    this.#kernel = queue.kernel();
    this.#job = this.#kernel.job;
  }

  get free(): number {
    return this.#queue.free;
  }

  get outstanding(): number {
    return this.#queue.outstanding;
  }

  get broken(): QueueFault | null {
    return this.#queue.broken;
  }

  /**
   * Receives packets of one buffer each into the burst, from entry 0 on, and counts them.
   * @param header bytes of the header in front of each
   * @returns how many; 0 also when what comes next is for `reap`: a batch, a wrong length, a fault
   */
  receive(burst: Burst, pool: BufferPool, header: number, stats: BurstCounter): number {
    const queue = this.#queue;
    if (queue.broken !== null) return 0;
    const job = this.#job;
    queue.lend(job);
    job[FROM] = 0;
    job[COUNT] = burst.capacity;
    job[HEADER] = header;
    job[BASE] = pool.dataBase;
    job[STRIDE] = pool.stride;
    job[ROOM] = pool.dataRoom;
    const n = this.#kernel.receive(burst.buffer, burst.offset, burst.length, burst.segments);
    queue.takeBackReaped(job, n);
    if (n > 0) stats.countAll(job, COUNTS);
    return n;
  }

  /**
   * Sends packets `from` to `end - 1` of the burst, up to the first of several segments: their headers are cleared, and
   * they are counted.
   * @returns how many
   */
  send(burst: Burst, from: number, end: number, header: number, stats: BurstCounter): number {
    const queue = this.#queue;
    if (queue.broken !== null) return 0;
    const job = this.#job;
    queue.lend(job);
    job[FROM] = from;
    job[COUNT] = end - from;
    job[HEADER] = header;
    const n = this.#kernel.send(burst.buffer, burst.offset, burst.length, burst.segments);
    queue.takeBackAdded(job, n);
    if (n > 0) stats.countAll(job, COUNTS);
    return n;
  }

  add(
    token: Int32Array,
    offset: Int32Array,
    length: Int32Array,
    from: number,
    count: number,
    prefix: number,
  ): number {
    return this.#queue.add(token, offset, length, from, count, prefix);
  }

  addBuffers(
    token: Int32Array,
    from: number,
    count: number,
    base: number,
    stride: number,
    bytes: number,
  ): number {
    const queue = this.#queue;
    if (queue.broken !== null) return 0;
    const job = this.#job;
    queue.lend(job);
    job[FROM] = from;
    job[COUNT] = count;
    job[HEADER] = 0;
    job[BASE] = base;
    job[STRIDE] = stride;
    job[ROOM] = bytes;
    const n = this.#kernel.supply(token);
    queue.takeBackAdded(job, n);
    return n;
  }

  addChains(
    buffer: Int32Array,
    segments: Int32Array,
    pool: BufferPool,
    from: number,
    count: number,
    prefix: number,
  ): number {
    return this.#queue.addChains(buffer, segments, pool, from, count, prefix);
  }

  reap(token: Int32Array, length: Int32Array | null, from: number, max: number): number {
    const queue = this.#queue;
    if (length !== null || queue.broken !== null) return queue.reap(token, length, from, max);
    const job = this.#job;
    queue.lend(job);
    const room = token.length - from;
    job[FROM] = from;
    job[COUNT] = max < room ? max : room;
    const n = this.#kernel.reap(token);
    queue.takeBackReaped(job, n);
    // What stopped the kernel short of `max`: nothing more there, or something that is not simple.
    return n === max ? n : n + queue.reap(token, null, from + n, max - n);
  }

  kickNeeded(): boolean {
    return this.#queue.kickNeeded();
  }

  armInterrupt(): boolean {
    return this.#queue.armInterrupt();
  }

  disarmInterrupt(): void {
    this.#queue.disarmInterrupt();
  }

  nextAvailable(): number {
    return this.#queue.nextAvailable();
  }

  base(): number {
    return this.#queue.base();
  }

  held(): number[] {
    return this.#queue.held();
  }

  reclaim(token: Int32Array): number {
    return this.#queue.reclaim(token);
  }
}
