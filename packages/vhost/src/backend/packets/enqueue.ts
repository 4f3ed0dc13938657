import {
  HDR_F_NEEDS_CSUM,
  HDR_GSO_NONE,
  PacketBurst,
  type PacketOffloads,
  type QueueStats,
  Segmenter,
} from '@vio/net';
import { type HeaderCodec, checksumFrom, exchangeWord } from '@vio/net/internal';
import type { BufferPool, DeviceQueue, MemoryMap } from '@vio/rings';
import type { BurstCopier } from './burst-copier.ts';
import { EnqueueChains } from './enqueue-chains.ts';
import { FastPath } from './fast-path.ts';
import type { PacketHolder } from './packet-holder.ts';

/** Packets that are worked on at a time. */
const packetsAtOnce = 64;

/** Puts packets into a driver's receive queue: copies them into the buffers the driver supplied. */
export class EnqueuePath {
  readonly stats: QueueStats;
  readonly #copier: BurstCopier;
  readonly #header: number;
  readonly #reportsHashes: boolean;
  /** Present when the driver takes work that is left to it. */
  readonly #codec: HeaderCodec | undefined;
  /** For packets that it does not take whole; made when the first one comes. */
  #cut: Segmenter | undefined;
  #pieces: PacketBurst | undefined;
  readonly #saved = new Uint16Array(packetsAtOnce);
  /** Present when copies are done beside this thread, except while they may not be (`EnqueueChains.atOnce`). */
  readonly #holder: PacketHolder | undefined;
  #queue: DeviceQueue;
  readonly #mergeable: boolean;
  #fast: FastPath;
  /** For what the fast way does not take. */
  readonly #chains: EnqueueChains;

  constructor(
    queue: DeviceQueue,
    copier: BurstCopier,
    memory: MemoryMap,
    headerBytes: number,
    mergeable: boolean,
    stats: QueueStats,
    codec?: HeaderCodec,
    holder?: PacketHolder,
  ) {
    this.#queue = queue;
    this.stats = stats;
    this.#copier = copier;
    this.#header = headerBytes;
    this.#codec = codec;
    this.#holder = holder;
    this.#reportsHashes = headerBytes === 20;
    this.#mergeable = mergeable;
    const parts = { queue, copier, memory, headerBytes, mergeable, stats, codec, holder };
    this.#chains = new EnqueueChains(parts);
    this.#fast = this.#fastWay(queue);
  }

  get queue(): DeviceQueue {
    return this.#queue;
  }

  /** Goes on with another view of the same ring. */
  work(queue: DeviceQueue): void {
    this.#queue = queue;
    this.#chains.work(queue);
    this.#fast = this.#fastWay(queue);
  }

  #fastWay(queue: DeviceQueue): FastPath {
    return new FastPath({
      queue,
      copier: this.#copier,
      headerBytes: this.#header,
      stats: this.stats,
      writable: true,
      mergeable: this.#mergeable,
      fillHeader: (u8, at, burst, i) => this.#chains.fillHeader(u8, at, burst, i),
    });
  }

  /**
   * Delivers packets `from` to `from + count - 1` of a burst, in order. They stay the caller's: their data is copied.
   * With a holder they are given to that, which says when they were copied.
   * @returns how many were dealt with: delivered, or dropped (and counted as errors) because no buffer of the driver
   *   can hold them; fewer than `count` when the driver supplied too few buffers
   */
  run(pool: BufferPool, burst: PacketBurst, from: number, count: number): number {
    const end = from + count;
    const { offloads } = burst;
    const done =
      offloads === undefined
        ? this.#put(pool, burst, from, end, false)
        : this.#putOffloaded(pool, burst, from, end, offloads);
    if (done < count) this.stats.countFullRing();
    return done;
  }

  /** Packets of which some may say that work is left to the driver. What it does not take is done here. */
  #putOffloaded(
    pool: BufferPool,
    burst: PacketBurst,
    from: number,
    end: number,
    offloads: PacketOffloads,
  ): number {
    const { flags, gsoType } = offloads;
    const codec = this.#codec;
    let at = from;
    while (at < end) {
      let next = at;
      let done = 0;
      if (flags[at] === 0) {
        while (next < end && flags[next] === 0) next++;
        done = this.#put(pool, burst, at, next, false);
      } else if (codec !== undefined && codec.takes(offloads, at)) {
        while (next < end && flags[next] !== 0 && codec.takes(offloads, next)) next++;
        done = this.#put(pool, burst, at, next, true);
      } else if (gsoType[at] === HDR_GSO_NONE) {
        const most = end - at < packetsAtOnce ? end : at + packetsAtOnce;
        while (next < most && flags[next] !== 0 && gsoType[next] === HDR_GSO_NONE) next++;
        this.#chains.atOnce = true;
        done = this.#putCompleted(pool, burst, at, next, offloads);
        this.#hold(burst, at, at + done);
      } else {
        next = at + 1;
        this.#chains.atOnce = true;
        done = this.#putCut(pool, burst, at, offloads);
        this.#hold(burst, at, at + done);
      }
      at += done;
      if (at < next) break;
    }
    return at - from;
  }

  /** Packets that changed while they were copied, or of which others were made, are copied by now. */
  #hold(burst: PacketBurst, from: number, end: number): void {
    this.#chains.atOnce = false;
    for (let i = from; i < end; i++) this.#holder?.packet(burst, i, 0);
  }

  /** Packets whose checksum the driver does not complete: it is, while they are copied. They stay as they are for others. */
  #putCompleted(
    pool: BufferPool,
    burst: PacketBurst,
    from: number,
    end: number,
    offloads: PacketOffloads,
  ): number {
    const saved = this.#saved;
    for (let i = from; i < end; i++) {
      const at = checksumAt(offloads, i, burst.length[i]);
      if (at === -1) continue;
      const checksum = checksumFrom(pool, burst, i, offloads.checksumStart[i]);
      saved[i - from] = exchangeWord(pool, burst, i, at, checksum);
    }
    const done = this.#put(pool, burst, from, end, false);
    for (let i = from; i < end; i++) {
      const at = checksumAt(offloads, i, burst.length[i]);
      if (at !== -1) exchangeWord(pool, burst, i, at, saved[i - from]);
    }
    return done;
  }

  /** A packet that the driver does not take whole, in segments; those for which it has no room are lost, but for the first. */
  #putCut(pool: BufferPool, burst: PacketBurst, i: number, offloads: PacketOffloads): 0 | 1 {
    const cut = (this.#cut ??= new Segmenter());
    const pieces = (this.#pieces ??= new PacketBurst(packetsAtOnce));
    if (!cut.begin(pool, burst, i, offloads, i)) {
      this.stats.countErrors(1, 'header');
      return 1;
    }
    pieces.pool = pool;
    let any = false;
    while (cut.left > 0) {
      pieces.count = 0;
      const made = cut.next(pieces, pieces.capacity);
      const put = made === 0 ? 0 : this.#put(pool, pieces, 0, made, false);
      pieces.release();
      any ||= put > 0;
      if (put < made || made === 0) {
        if (any || made === 0) this.stats.countErrors(made - put + cut.left, 'no_room');
        return any || made === 0 ? 1 : 0;
      }
    }
    return 1;
  }

  /** @param says their headers say something */
  #put(pool: BufferPool, burst: PacketBurst, from: number, end: number, says: boolean): number {
    const headed = says || this.#reportsHashes;
    // A holder wants every chain.
    const slow = this.#holder !== undefined;
    let at = from;
    while (at < end) {
      let done = slow ? 0 : this.#fast.put(pool, burst, at, end, headed);
      if (done === 0 && (slow || this.#fast.blocked)) done = this.#chains.put(pool, burst, at, end);
      if (done === 0) break;
      at += done;
    }
    return at - from;
  }
}

/** Where the checksum of a packet is stored that is still to be completed; -1: it is, or that makes no sense. */
function checksumAt(
  { flags, checksumStart, checksumOffset }: PacketOffloads,
  i: number,
  bytes: number,
): number {
  const at = checksumStart[i] + checksumOffset[i];
  return (flags[i] & HDR_F_NEEDS_CSUM) !== 0 && at + 2 <= bytes ? at : -1;
}
