import { longestCopy } from '@vio/native/internal';
import type { PacketBurst, QueueStats } from '@vio/net';
import type { BufferPool, DeviceQueue, MemoryMap, Region } from '@vio/rings';
import type { SingleBurst, SingleKind } from '@vio/rings/internal';
import { anyLength, singlesPerRun } from '../packets/burst-limits.ts';
import { type SinglesHolder, unfetchSingles } from './single-chains.ts';
import { CopyRun } from './transfers.ts';

/** What the fast way works on. */
export interface SingleSubmitOptions {
  readonly queue: DeviceQueue;
  readonly memory: MemoryMap;
  /** Bytes of the header in front of a packet: 10 or 12, as nothing is said there. */
  readonly header: number;
  /** A packet may be spread over several chains. */
  readonly mergeable: boolean;
  readonly stats: QueueStats;
  readonly holder: SinglesHolder;
}

/**
 * The fast way of packets to a driver whose bytes are copied beside this thread: for packets in one buffer on which no work is left,
 * in chains of one descriptor each, one or (with MRG_RXBUF) several. What stops it is for `EnqueuePath`, which takes everything.
 */
export class SingleSubmit {
  readonly #queue: DeviceQueue;
  readonly #memory: MemoryMap;
  readonly #header: number;
  readonly #mergeable: boolean;
  readonly #stats: QueueStats;
  readonly #holder: SinglesHolder;
  readonly #kind: SingleKind;
  readonly #run = new CopyRun();
  /** Bytes of the driver's buffers, as the last one had: how many a packet will take. */
  #usual = 2048;

  constructor({ queue, memory, header, mergeable, stats, holder }: SingleSubmitOptions) {
    this.#queue = queue;
    this.#memory = memory;
    this.#header = header;
    this.#mergeable = mergeable;
    this.#stats = stats;
    this.#holder = holder;
    this.#kind = { writable: true, prefix: header };
    const array = (): Int32Array => new Int32Array(singlesPerRun);
    Object.assign(this.#run, { counts: array(), from: array(), to: array(), bytes: array() });
  }

  /** Submits packets `from` to `end - 1` of a burst, as far as they and the driver's chains are of this kind. @returns how many */
  put(pool: BufferPool, burst: PacketBurst, from: number, end: number): number {
    let at = from;
    for (let n = -1; at < end && n !== 0; at += n) n = this.#putRun(pool, burst, at, end);
    return at - from;
  }

  #putRun(pool: BufferPool, burst: PacketBurst, from: number, end: number): number {
    const { length, segments } = burst;
    const flags = burst.offloads?.flags;
    const header = this.#header;
    const usual = this.#mergeable ? this.#usual : anyLength;
    let wanted = 0;
    let last = from;
    for (; last < end; last++) {
      if (segments[last] !== 1 || (flags !== undefined && flags[last] !== 0) || length[last] > longestCopy)
        break;
      const bytes = header + length[last];
      const chains = bytes <= usual ? 1 : Math.ceil(bytes / usual);
      if (wanted > 0 && wanted + chains > singlesPerRun) break;
      wanted += chains;
    }
    if (wanted === 0) return 0;
    const holder = this.#holder;
    const singles = holder.singles();
    const fetched = this.#queue.fetchSingles(singles, wanted, this.#kind, 1, anyLength);
    if (fetched === 0) return 0;

    const { copies } = holder;
    const local = copies.localHandle(pool.region);
    this.#usual = singles.length[fetched - 1] + header;
    const n = this.#fill(burst, from, last, singles);
    const chains = this.#run.copies;
    if (n > 0 && !holder.run(burst, from, n, local, this.#run))
      this.#noteEach(burst, from, n, local, singles.window);
    copies.run();
    if (chains < fetched) unfetchSingles(this.#queue, singles, chains);
    if (chains > 0) holder.holdSingles(chains);
    this.#stats.countBurst(pool.region.u8, burst, from, from + n);
    return n;
  }

  /** Says where the packets go in these chains, behind their headers. @returns how many fit */
  #fill(burst: PacketBurst, first: number, last: number, singles: SingleBurst): number {
    const { offset, length } = burst;
    const { count, offset: starts, length: rooms, written } = singles;
    const header = this.#header;
    const run = this.#run;
    const { counts, from, to, bytes } = run;
    let c = 0;
    let i = first;
    for (; i < last && c < count; i++) {
      let left = length[i];
      let used = 1;
      let room = rooms[c];
      if (this.#mergeable) while (room < left && c + used < count) room += rooms[c + used++] + header;
      if (room < left) break;
      counts[i - first] = used;
      let source = offset[i];
      // In front of what the first chain has is the header; the others have none.
      let ahead = 0;
      for (const end = c + used; c < end; c++) {
        const space = rooms[c] + ahead;
        const piece = space < left ? space : left;
        from[c] = source;
        to[c] = starts[c] - ahead;
        bytes[c] = piece;
        written[c] = piece + header - ahead;
        source += piece;
        left -= piece;
        ahead = header;
      }
    }
    run.copies = c;
    return i - first;
  }

  /** Notes the copies of packets one by one, and writes their headers: there is no room for all of them, and this thread does some. */
  #noteEach(burst: PacketBurst, first: number, count: number, local: number, window: number): void {
    const holder = this.#holder;
    const { counts, from, to, bytes } = this.#run;
    const { region } = this.#memory.windows[window];
    for (let i = 0, c = 0; i < count; i++) {
      this.#writeHeader(region, to[c] - this.#header, counts[i]);
      for (const end = c + counts[i]; c < end; c++)
        holder.copies.toDriver(local, from[c], window, to[c], bytes[c]);
      holder.packet(burst, first + i, counts[i]);
    }
  }

  /**
   * No offload, so many buffers. What is there is not read before: a packet's bytes make the cache line dirty anyway.
   * @param start where it begins
   */
  #writeHeader({ i32, u8 }: Region, start: number, buffers: number): void {
    const header = this.#header;
    if (header === 12 && (start & 3) === 0) {
      const word = start >>> 2;
      i32[word] = 0;
      i32[word + 1] = 0;
      i32[word + 2] = buffers << 16;
      return;
    }
    for (let i = 0; i < header; i++) u8[start + i] = 0;
    if (header < 12) return;
    u8[start + 10] = buffers;
    u8[start + 11] = buffers >>> 8;
  }
}
