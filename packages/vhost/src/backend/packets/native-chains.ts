import {
  type ChainsKernel,
  chainsJob,
  headerStride,
  piecesPerRun,
  singlesPerRun,
} from '@vio/native/internal';
import type { PacketBurst } from '@vio/net';
import type { BufferPool, DeviceQueue } from '@vio/rings';
import type { BurstCopier } from './burst-copier.ts';
import { anyLength } from './burst-limits.ts';
import type { ChainsOptions, ChainsPath, FillHeader } from './chains-path.ts';
import { beginJob } from './native-job.ts';

/** Constants of this module, because V8 folds those and not imported ones. */
const PIECES = chainsJob.pieces;
const OFFSETS = chainsJob.offsets;
const LENGTHS = chainsJob.lengths;
const HEADED = chainsJob.headed;
const UNKNOWN = chainsJob.unknown;
const HEADER_STRIDE = headerStride;

/** A kernel in C++ fetches, copies and completes a burst in one call. */
export class NativeChains implements ChainsPath {
  blocked = false;
  readonly #queue: DeviceQueue;
  readonly #copier: BurstCopier;
  readonly #kernel: ChainsKernel;
  readonly #job: Int32Array;
  readonly #headers: Uint8Array;
  readonly #front: number;
  readonly #fillHeader: FillHeader | undefined;

  /** @param kernel its job has the queue's description already */
  constructor(options: ChainsOptions, kernel: ChainsKernel) {
    const { queue, copier, mergeable = false, front = 0 } = options;
    const { job } = kernel;
    this.#queue = queue;
    this.#copier = copier;
    this.#kernel = kernel;
    this.#job = job;
    this.#headers = new Uint8Array(job.buffer, job.byteOffset + 4 * chainsJob.headers);
    this.#front = front;
    this.#fillHeader = options.fillHeader;
    beginJob(job, options);
    job[chainsJob.mergeable] = mergeable ? 1 : 0;
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
    let n = 0;
    do {
      for (let i = n; i < room; i++) job[OFFSETS + i - n] = offset[i] - front;
      const taken = this.#run(pool, room - n, pool.dataRoom + front);
      for (let i = 0; i < taken; i++) length[n + i] = job[LENGTHS + i] - front;
      n += taken;
    } while (n < room && this.#learns());
    if (n < room) pool.release(buffer, n, room - n);
    burst.count = n;
    return n;
  }

  put(pool: BufferPool, burst: PacketBurst, from: number, end: number, headed: boolean): number {
    const count = this.#describe(pool, burst, from, end, headed);
    this.blocked = count === 0;
    if (count === 0) return 0;
    let n = 0;
    do n = this.#run(pool, count, anyLength);
    while (this.#learns() && n === 0);
    return n;
  }

  /** Writes into the job what the packets are made of. @returns how many there is room for */
  #describe(pool: BufferPool, burst: PacketBurst, from: number, end: number, headed: boolean): number {
    const job = this.#job;
    const fillHeader = headed ? this.#fillHeader : undefined;
    const { buffer, offset, length, segments } = burst;
    const limit = end - from < singlesPerRun ? end - from : singlesPerRun;
    job[HEADED] = fillHeader === undefined ? 0 : 1;
    let pieces = 0;
    let n = 0;
    for (; n < limit; n++) {
      const i = from + n;
      const parts = segments[i];
      if (length[i] < 1 || pieces + parts > piecesPerRun) break;
      job[PIECES + n] = parts;
      if (parts === 1) {
        job[OFFSETS + pieces] = offset[i];
        job[LENGTHS + pieces++] = length[i];
      } else {
        for (let b = buffer[i], left = parts; left > 0; left--, b = pool.next[b]) {
          job[OFFSETS + pieces] = pool.dataOffset[b];
          job[LENGTHS + pieces++] = pool.dataLength[b];
        }
      }
      fillHeader?.(this.#headers, n * HEADER_STRIDE, burst, i);
    }
    return n;
  }

  #run(pool: BufferPool, count: number, most: number): number {
    const job = this.#job;
    this.#queue.lend(job);
    job[chainsJob.local] = this.#copier.localHandle(pool.region);
    job[chainsJob.most] = most;
    job[chainsJob.count] = count;
    const n = this.#kernel.run();
    // Rings were checked when they were set up, buffers are the pool's: this cannot happen.
    if (n < 0) throw new RangeError('a burst names memory that is not registered');
    if (n > 0) {
      this.#queue.takeBack(job[chainsJob.slots]);
      this.#queue.lookIn(job[chainsJob.window]);
    }
    this.blocked = job[chainsJob.blocked] !== 0;
    if (job[chainsJob.logBeyond] !== 0) this.#queue.log?.beyond();
    return n;
  }

  /** @returns true when the last run stopped at a window that is known only now */
  #learns(): boolean {
    const window = this.#job[UNKNOWN];
    if (window < 0) return false;
    this.#copier.know(window);
    return true;
  }
}
