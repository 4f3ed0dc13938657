import type { PacketBurst, QueueStats } from '@vio/net';
import type { BufferPool, DeviceQueue, MemoryMap } from '@vio/rings';
import { SingleBurst, type SingleKind } from '@vio/rings/internal';
import { type RunHolder, addSingles, singlesPerRun } from './single-chains.ts';

/** More than any driver's buffer has, in bytes. */
const largestBuffer = 0x3fff_ffff;

/** What the fast way works on. */
export interface SingleSubmitOptions {
  readonly queue: DeviceQueue;
  readonly memory: MemoryMap;
  /** Bytes of the header in front of a packet: 10 or 12, as nothing is said there. */
  readonly header: number;
  /** A packet may be spread over several chains. */
  readonly mergeable: boolean;
  readonly stats: QueueStats;
  readonly holder: RunHolder;
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
  readonly #holder: RunHolder;
  readonly #singles = new SingleBurst(singlesPerRun);
  readonly #kind: SingleKind;
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
  }

  /** Submits packets `from` to `end - 1` of a burst, as far as they and the driver's chains are of this kind. @returns how many */
  put(pool: BufferPool, burst: PacketBurst, from: number, end: number): number {
    let at = from;
    for (let n = -1; at < end && n !== 0; at += n) n = this.#putRun(pool, burst, at, end);
    return at - from;
  }

  #putRun(pool: BufferPool, burst: PacketBurst, from: number, end: number): number {
    const { offset, length, segments } = burst;
    const flags = burst.offloads?.flags;
    const header = this.#header;
    const usual = this.#mergeable ? this.#usual : largestBuffer;
    let wanted = 0;
    let last = from;
    for (; last < end && wanted < singlesPerRun; last++) {
      if (segments[last] !== 1 || (flags !== undefined && flags[last] !== 0)) break;
      const bytes = header + length[last];
      wanted += bytes <= usual ? 1 : Math.ceil(bytes / usual);
    }
    if (last === from) return 0;
    const singles = this.#singles;
    const most = wanted < singlesPerRun ? wanted : singlesPerRun;
    if (this.#queue.fetchSingles(singles, most, this.#kind, 1, largestBuffer) === 0) return 0;

    const holder = this.#holder;
    const chains = holder.chains();
    const first = chains.count;
    addSingles(chains, singles, header);
    const { firstSegment, offset: starts, length: rooms, written, count } = chains;
    const copies = holder.copies;
    const local = copies.localHandle(pool.region);
    const { window } = singles;
    this.#usual = rooms[firstSegment[count - 1]];
    let s = firstSegment[first];
    // Those in one chain each come first, as one run.
    const { length: each } = singles;
    let n = 0;
    while (from + n < last && n < singles.count && each[n] >= length[from + n]) {
      written[first + n] = header + length[from + n];
      n++;
    }
    if (n > 0 && holder.run(burst, from, singles, n, local))
      for (let k = 0; k < n; k++) this.#writeHeader(window, starts[s + k], 1);
    else n = 0;
    let i = from + n;
    let c = first + n;
    s += n;
    for (; i < last && c < count; i++) {
      let left = length[i];
      let used = 1;
      let room = rooms[s] - header;
      if (this.#mergeable) while (room < left && c + used < count) room += rooms[s + used++];
      if (room < left) break;
      this.#writeHeader(window, starts[s], used);
      let at = header;
      let source = offset[i];
      for (const behind = c + used; c < behind; c++, s++) {
        const piece = rooms[s] - at < left ? rooms[s] - at : left;
        copies.toDriver(local, source, window, starts[s] + at, piece);
        written[c] = at + piece;
        source += piece;
        left -= piece;
        at = 0;
      }
      holder.packet(burst, i, used);
    }
    copies.run();
    if (c < count) this.#queue.unfetch(chains, count - c);
    holder.complete(chains, first, c - first);
    this.#stats.countBurst(pool.region.u8, burst, from, i);
    return i - from;
  }

  /** No offload, so many buffers. It is not read before: the packet's bytes make the cache line dirty anyway. */
  #writeHeader(window: number, start: number, buffers: number): void {
    const { i32, u8 } = this.#memory.windows[window].region;
    const header = this.#header;
    if (header === 12 && (start & 3) === 0) {
      const word = start >>> 2;
      i32[word] = 0;
      i32[word + 1] = 0;
      i32[word + 2] = buffers << 16;
      return;
    }
    u8.fill(0, start, start + header);
    if (header < 12) return;
    u8[start + 10] = buffers;
    u8[start + 11] = buffers >>> 8;
  }
}
