import type { PacketBurst, QueueStats } from '@vio/net';
import type { BufferPool, DeviceQueue, MemoryMap } from '@vio/rings';
import type { SingleKind } from '@vio/rings/internal';
import { anyLength, chainsPerBurst, oneBuffer } from '../packets/burst-limits.ts';
import { type SinglesHolder, unfetchSingles } from './single-chains.ts';

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
    const usual = this.#mergeable ? this.#usual : anyLength;
    let wanted = 0;
    let last = from;
    for (; last < end && wanted < chainsPerBurst; last++) {
      if (segments[last] !== 1 || (flags !== undefined && flags[last] !== 0)) break;
      const bytes = header + length[last];
      wanted += bytes <= usual ? 1 : Math.ceil(bytes / usual);
    }
    if (last === from) return 0;
    const holder = this.#holder;
    const singles = holder.singles();
    const most = wanted < chainsPerBurst ? wanted : chainsPerBurst;
    const fetched = this.#queue.fetchSingles(singles, most, this.#kind, 1, anyLength);
    if (fetched === 0) return 0;

    const { copies } = holder;
    const local = copies.localHandle(pool.region);
    const { window, offset: starts, length: rooms, written } = singles;
    this.#usual = rooms[fetched - 1] + header;
    // Those in one chain each come first, as one run.
    let c = 0;
    while (from + c < last && c < fetched && rooms[c] >= length[from + c]) {
      written[c] = header + length[from + c];
      c++;
    }
    if (c > 0 && holder.run(burst, from, c, local)) this.#writeHeaders(window, starts, c);
    else c = 0;
    let i = from + c;
    for (; i < last && c < fetched; i++) {
      let left = length[i];
      let used = 1;
      let room = rooms[c];
      if (this.#mergeable) while (room < left && c + used < fetched) room += rooms[c + used++] + header;
      if (room < left) break;
      this.#writeHeader(window, starts[c] - header, used);
      let at = 0;
      let source = offset[i];
      for (const behind = c + used; c < behind; c++) {
        const piece = rooms[c] - at < left ? rooms[c] - at : left;
        copies.toDriver(local, source, window, starts[c] + at, piece);
        written[c] = header + at + piece;
        source += piece;
        left -= piece;
        at = -header;
      }
      holder.packet(burst, i, used);
    }
    copies.run();
    if (c < fetched) unfetchSingles(this.#queue, singles, c);
    if (c > 0) holder.holdSingles(c);
    this.#stats.countBurst(pool.region.u8, burst, from, i);
    return i - from;
  }

  /** No offloads, one buffer each. They are not read before: a packet's bytes make the cache line dirty anyway. */
  #writeHeaders(window: number, starts: Int32Array, count: number): void {
    const { i32 } = this.#memory.windows[window].region;
    const header = this.#header;
    for (let i = 0; i < count; i++) {
      const start = starts[i] - header;
      if (header !== 12 || (start & 3) !== 0) {
        this.#writeHeader(window, start, 1);
        continue;
      }
      const word = start >>> 2;
      i32[word] = 0;
      i32[word + 1] = 0;
      i32[word + 2] = oneBuffer;
    }
  }

  /** No offload, so many buffers. */
  #writeHeader(window: number, start: number, buffers: number): void {
    const { u8 } = this.#memory.windows[window].region;
    const header = this.#header;
    u8.fill(0, start, start + header);
    if (header < 12) return;
    u8[start + 10] = buffers;
    u8[start + 11] = buffers >>> 8;
  }
}
