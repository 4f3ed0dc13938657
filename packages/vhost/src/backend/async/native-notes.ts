import { type NotesKernel, longestCopy, notesJob, singlesPerRun } from '@vio/native/internal';
import type { PacketBurst, PacketOffloads, QueueStats } from '@vio/net';
import type { HeaderCodec } from '@vio/net/internal';
import type { BufferPool, DeviceQueue, MemoryMap } from '@vio/rings';
import type { BurstCopier } from '../packets/burst-copier.ts';
import { anyLength } from '../packets/burst-limits.ts';
import { beginJob } from '../packets/native-job.ts';
import { plainHeaderStride } from './plain-headers.ts';
import type { SinglesHolder } from './single-chains.ts';
import { longestPacket } from './single-fetch.ts';
import { SingleHeaders } from './single-headers.ts';

/** Constants of this module, because V8 folds those and not imported ones. */
const OFFSETS = notesJob.offsets;
const LENGTHS = notesJob.lengths;
const longest = longestCopy;

/** What it works on. */
export interface NativeNotesOptions {
  readonly queue: DeviceQueue;
  readonly copier: BurstCopier;
  readonly memory: MemoryMap;
  /** Bytes of the header in front of a packet; 10 or 12 where packets go to the driver, as nothing is said there. */
  readonly header: number;
  readonly writable: boolean;
  /** A packet may be spread over several chains. */
  readonly mergeable: boolean;
  readonly stats: QueueStats;
  /** With offloads: what headers may say. */
  readonly codec: HeaderCodec | undefined;
  readonly kernel: NotesKernel;
  readonly holder: SinglesHolder;
}

/**
 * A kernel in C++ fetches the chains of a burst and notes its copies in one call. It takes what `SingleSubmit` and `SingleFetch` take,
 * except when there is hardly room for it: they do then.
 */
export class NativeNotes {
  /** True when the last call stopped at a chain, or a header, that is not of this kind. */
  blocked = false;
  /** True when the last call of `put` stopped at a packet of this kind for which too few chains are there: whoever else tries finds no more. */
  empty = false;
  readonly #queue: DeviceQueue;
  readonly #copier: BurstCopier;
  readonly #kernel: NotesKernel;
  readonly #job: Int32Array;
  /** Chains of each packet. */
  readonly #counts: Int32Array;
  readonly #header: number;
  readonly #writable: boolean;
  readonly #stats: QueueStats;
  readonly #headers: SingleHeaders | undefined;
  readonly #holder: SinglesHolder;

  /** @returns undefined when the queue may not be lent to a kernel */
  static create(options: NativeNotesOptions): NativeNotes | undefined {
    const { queue, kernel } = options;
    // Of another view of the ring, what a packed one does not say included.
    kernel.job.fill(0);
    return queue.describe(kernel.job) ? new NativeNotes(options) : undefined;
  }

  private constructor(options: NativeNotesOptions) {
    const { queue, copier, memory, header, writable, mergeable, stats, codec, kernel, holder } = options;
    const { job } = kernel;
    this.#queue = queue;
    this.#copier = copier;
    this.#kernel = kernel;
    this.#job = job;
    this.#counts = job.subarray(notesJob.counts, notesJob.counts + singlesPerRun);
    this.#header = header;
    this.#writable = writable;
    this.#stats = stats;
    this.#headers = codec === undefined || writable ? undefined : new SingleHeaders(memory, codec);
    this.#holder = holder;
    beginJob(job, { queue, copier, headerBytes: header, writable });
    // It writes nothing there.
    job[notesJob.log] = -1;
    job[notesJob.mergeable] = mergeable ? 1 : 0;
    job[notesJob.headerStep] = plainHeaderStride;
  }

  /** True when there are chains, and packets of this pool can be noted now. */
  ready(pool: BufferPool): boolean {
    if (this.#queue.pending() === 0) return false;
    const job = this.#job;
    this.#queue.lend(job);
    job[notesJob.local] = this.#copier.localHandle(pool.region);
    return this.#holder.lend(job, this.#holder.copies.localHandle(pool.region), job[notesJob.data]);
  }

  /** Submits packets `from` to `end - 1` of a burst, as far as they and the driver's chains are of this kind. @returns how many */
  put(pool: BufferPool, burst: PacketBurst, from: number, end: number): number {
    let at = from;
    this.empty = false;
    for (let n = -1; at < end && n !== 0 && !this.empty; at += n) n = this.#putRun(pool, burst, at, end);
    return at - from;
  }

  #putRun(pool: BufferPool, burst: PacketBurst, from: number, end: number): number {
    const job = this.#job;
    const { offset, length, segments } = burst;
    const flags = burst.offloads?.flags;
    const limit = end - from < singlesPerRun ? end - from : singlesPerRun;
    let count = 0;
    for (let i = from; count < limit; i++, count++) {
      if (segments[i] !== 1 || (flags !== undefined && flags[i] !== 0) || length[i] > longest) break;
      job[OFFSETS + count] = offset[i];
      job[LENGTHS + count] = length[i];
    }
    if (count === 0 || !this.ready(pool)) return 0;
    const n = this.#run(count, anyLength);
    this.empty = job[notesJob.empty] !== 0;
    if (n > 0) this.#keep(burst, from, n, job[notesJob.chains], job[notesJob.copies]);
    // Before the engine reads them as well.
    this.#stats.countBurst(pool.region.u8, burst, from, from + n);
    this.#holder.copies.run();
    return n;
  }

  /**
   * Submits up to `wanted` packets of the driver's, to buffers of `pool`, which has as many, once that is `ready`.
   * @param wanted 1 to 64
   * @param burst to work in
   * @returns how many
   */
  take(pool: BufferPool, burst: PacketBurst, wanted: number): number {
    const job = this.#job;
    const { buffer, offset, length } = burst;
    burst.pool = pool;
    const room = pool.allocBurst(burst, wanted, 0);
    for (let i = 0; i < room; i++) job[OFFSETS + i] = offset[i];
    const fetched = this.#run(room, pool.dataRoom < longestPacket ? pool.dataRoom : longestPacket);
    this.blocked = job[notesJob.blocked] !== 0;
    for (let i = 0; i < fetched; i++) length[i] = job[LENGTHS + i];
    const n =
      fetched > 0 && this.#headers !== undefined ? this.#headers.read(this.#holder.singles()) : fetched;
    // Each in one chain, by one copy.
    if (n > 0) this.#keep(burst, 0, n, n, n, this.#headers?.said);
    this.#holder.copies.run();
    if (n < fetched) this.blocked = true;
    if (n < room) pool.release(buffer, n, room - n);
    return n;
  }

  #run(count: number, most: number): number {
    const job = this.#job;
    const singles = this.#holder.singles();
    job[notesJob.slot] = singles.slot;
    job[notesJob.count] = count;
    job[notesJob.most] = most;
    const n = this.#kernel.run();
    // Rings were checked when they were set up: this cannot happen.
    if (n < 0) throw new RangeError('a burst names memory that is not registered');
    singles.window = job[notesJob.data];
    singles.writable = this.#writable;
    singles.prefix = this.#header;
    singles.count = job[notesJob.chains];
    return n;
  }

  /** Takes the first so many packets of a run, with their chains and copies. */
  #keep(
    burst: PacketBurst,
    from: number,
    count: number,
    chains: number,
    copies: number,
    said?: PacketOffloads,
  ): void {
    this.#queue.took(chains);
    this.#holder.noted(burst, from, count, this.#counts, copies, said);
    this.#holder.holdSingles(chains);
  }
}
