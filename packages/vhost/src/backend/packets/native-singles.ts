import { type SinglesKernel, singlesJob, singlesPerRun } from '@vio/native/internal';
import type { PacketBurst } from '@vio/net';
import type { BufferPool, DeviceQueue } from '@vio/rings';
import type { BurstCopier } from './burst-copier.ts';
import { anyLength } from './burst-limits.ts';
import { beginJob } from './native-job.ts';
import type { SinglesOptions, SinglesPath } from './singles-path.ts';

/** Constants of this module, because V8 folds those and not imported ones. */
const OFFSETS = singlesJob.offsets;
const LENGTHS = singlesJob.lengths;

/** A kernel in C++ fetches, copies and completes a burst in one call. */
export class NativeSingles implements SinglesPath {
  blocked = false;
  readonly #queue: DeviceQueue;
  readonly #copier: BurstCopier;
  readonly #kernel: SinglesKernel;
  readonly #job: Int32Array;
  readonly #front: number;

  /** @param kernel its job has the queue's description already */
  constructor(options: SinglesOptions, kernel: SinglesKernel) {
    const { queue, copier, front = 0 } = options;
    const { job } = kernel;
    this.#queue = queue;
    this.#copier = copier;
    this.#kernel = kernel;
    this.#job = job;
    this.#front = front;
    beginJob(job, options);
  }

  take(pool: BufferPool, burst: PacketBurst, wanted: number): number {
    burst.pool = pool;
    burst.count = 0;
    this.blocked = false;
    if (this.#queue.pending() === 0) return 0;
    const job = this.#job;
    const front = this.#front;
    const { buffer, offset, length } = burst;
    const room = pool.allocBurst(burst, wanted, 0);
    for (let i = 0; i < room; i++) job[OFFSETS + i] = offset[i] - front;
    const n = this.#run(pool, room, pool.dataRoom + front);
    for (let i = 0; i < n; i++) length[i] = job[LENGTHS + i] - front;
    if (n < room) pool.release(buffer, n, room - n);
    burst.count = n;
    return n;
  }

  put(pool: BufferPool, burst: PacketBurst, from: number, end: number): number {
    const job = this.#job;
    const { offset, length, segments } = burst;
    const limit = end - from < singlesPerRun ? end - from : singlesPerRun;
    let n = 0;
    for (; n < limit && segments[from + n] === 1; n++) {
      job[OFFSETS + n] = offset[from + n];
      job[LENGTHS + n] = length[from + n];
    }
    this.blocked = n === 0;
    return n === 0 ? 0 : this.#run(pool, n, anyLength);
  }

  #run(pool: BufferPool, count: number, most: number): number {
    const job = this.#job;
    this.#queue.lend(job);
    this.#copier.locate(job, singlesJob.data);
    job[singlesJob.local] = this.#copier.localHandle(pool.region);
    job[singlesJob.most] = most;
    job[singlesJob.count] = count;
    const n = this.#kernel.run();
    // Rings and windows were checked when they were set up, buffers are the pool's: this cannot happen.
    if (n < 0) throw new RangeError('a burst names memory that is not registered');
    if (n > 0) this.#queue.takeBack(n);
    this.blocked = job[singlesJob.blocked] !== 0;
    if (job[singlesJob.logBeyond] !== 0) this.#queue.log?.beyond();
    return n;
  }
}
