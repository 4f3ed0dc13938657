import { piecesPerRun, singlesPerRun } from '@vio/native/internal';
import type { PacketBurst } from '@vio/net';
import { numBuffersOffset } from '@vio/net/internal';
import { type BufferPool, ChainBurst, type DeviceQueue } from '@vio/rings';
import type { BurstCopier } from './burst-copier.ts';
import { segmentsPerBurst } from './burst-limits.ts';
import { ChainWriter } from './chain-writer.ts';
import type { ChainsOptions, ChainsPath, FillHeader } from './chains-path.ts';

/** The same as NativeChains, in TypeScript. */
export class PortableChains implements ChainsPath {
  blocked = false;
  readonly #queue: DeviceQueue;
  readonly #copier: BurstCopier;
  readonly #header: number;
  readonly #front: number;
  readonly #mergeable: boolean;
  readonly #fillHeader: FillHeader | undefined;
  readonly #chains: ChainBurst;
  readonly #writer = new ChainWriter();
  readonly #headerBytes = new Uint8Array(20);
  /** Chains in front of this one are completed. */
  #completed = 0;

  constructor(options: ChainsOptions) {
    const { queue, copier, headerBytes, front = 0, mergeable = false } = options;
    this.#queue = queue;
    this.#copier = copier;
    this.#header = headerBytes;
    this.#front = front;
    this.#mergeable = mergeable;
    this.#fillHeader = options.fillHeader;
    this.#chains = new ChainBurst(piecesPerRun, Math.max(segmentsPerBurst, queue.size));
  }

  take(pool: BufferPool, burst: PacketBurst, wanted: number): number {
    burst.pool = pool;
    burst.count = 0;
    const queue = this.#queue;
    const chains = this.#chains;
    const before = queue.window;
    const fetched = queue.fetch(chains, wanted);
    const room = pool.allocBurst(burst, fetched, 0);
    const { buffer, length } = burst;
    const most = pool.dataRoom + this.#front;
    let pieces = 0;
    let n = 0;
    for (; n < room; n++) {
      const segments = chains.firstSegment[n + 1] - chains.firstSegment[n];
      const bytes = chains.readableBytes[n] - this.#header;
      pieces += segments;
      if (chains.readable[n] !== segments || chains.parts[n] > piecesPerRun || pieces > piecesPerRun) break;
      if (bytes < 1 || bytes > most) break;
      this.#gather(pool, burst, n, bytes);
      length[n] = bytes - this.#front;
      chains.written[n] = 0;
    }
    if (n < room) pool.release(buffer, n, room - n);
    this.#settle(n, fetched, before);
    this.blocked = n < fetched || (n < wanted && queue.pending() > 0);
    burst.count = n;
    return n;
  }

  /** Copies chain `c` into the buffer of packet `c`. */
  #gather(pool: BufferPool, { offset }: PacketBurst, c: number, bytes: number): void {
    const { firstSegment, window, offset: from, length } = this.#chains;
    const local = this.#copier.localHandle(pool.region);
    let segment = firstSegment[c];
    let skip = this.#header;
    while (skip >= length[segment]) skip -= length[segment++];
    let to = offset[c] - this.#front;
    for (let left = bytes; left > 0; skip = 0, segment++) {
      const part = Math.min(left, length[segment] - skip);
      this.#copier.fromDriver(window[segment], from[segment] + skip, local, to, part);
      to += part;
      left -= part;
    }
  }

  put(pool: BufferPool, burst: PacketBurst, from: number, end: number, headed: boolean): number {
    const { length, segments } = burst;
    const queue = this.#queue;
    const before = queue.window;
    const limit = end - from < singlesPerRun ? end : from + singlesPerRun;
    this.blocked = false;
    this.#completed = 0;
    queue.fetch(this.#chains, limit - from);
    let parts = 0;
    let c = 0;
    let i = from;
    for (; i < limit; i++) {
      parts += segments[i];
      if (length[i] < 1 || parts > piecesPerRun) {
        this.blocked = i === from;
        break;
      }
      const used = this.#holds(c, this.#header + length[i]);
      if (used === 0) break;
      this.#write(pool, burst, i, c, used, headed);
      c += used;
    }
    this.#settle(c, this.#chains.count, before);
    return i - from;
  }

  /** @returns how many chains from `c` on hold so many bytes; 0: they are not there, or (`blocked`) not of this kind */
  #holds(c: number, bytes: number): number {
    const chains = this.#chains;
    let pieces = chains.firstSegment[c];
    let left = bytes;
    let used = 0;
    for (; left > 0; used++) {
      const k = c + used;
      this.blocked = used > 0;
      if (used > 0 && !this.#mergeable) return 0;
      if (k === chains.count && !this.#fetchMore(c)) return 0;
      pieces += chains.firstSegment[k + 1] - chains.firstSegment[k];
      this.blocked = true;
      if (chains.readable[k] > 0 || chains.parts[k] > piecesPerRun || pieces > piecesPerRun) return 0;
      if (used === 0 && chains.writableBytes[k] < this.#header + (this.#mergeable ? 0 : 1)) return 0;
      left -= chains.writableBytes[k];
    }
    this.blocked = false;
    return used;
  }

  /** What follows may break the queue, and the packets in front of it have arrived by then. */
  #fetchMore(c: number): boolean {
    this.#complete(c);
    if (this.#queue.fetchMore(this.#chains, singlesPerRun) > 0) return true;
    this.blocked ||= this.#queue.pending() > 0;
    return false;
  }

  #write(pool: BufferPool, burst: PacketBurst, i: number, c: number, used: number, headed: boolean): void {
    const writer = this.#writer;
    const header = this.#headerBytes;
    writer.begin(this.#chains, c);
    header.fill(0);
    if (headed) this.#fillHeader?.(header, 0, burst, i);
    if (this.#header >= 12) {
      header[numBuffersOffset] = used & 0xff;
      header[numBuffersOffset + 1] = used >>> 8;
    }
    writer.header(this.#copier.map, this.#header, header);
    const local = this.#copier.localHandle(pool.region);
    if (burst.segments[i] === 1) return writer.copy(this.#copier, local, burst.offset[i], burst.length[i]);
    for (let b = burst.buffer[i], left = burst.segments[i]; left > 0; left--, b = pool.next[b])
      writer.copy(this.#copier, local, pool.dataOffset[b], pool.dataLength[b]);
  }

  /** Copies what was noted, and completes the chains in front of `c`. */
  #complete(c: number): void {
    this.#copier.run();
    const from = this.#completed;
    this.#completed = c;
    if (c > from) this.#queue.complete(this.#chains, from, c - from);
  }

  /** Completes `taken` chains and gives the others back. */
  #settle(taken: number, fetched: number, before: number): void {
    const { window, firstSegment } = this.#chains;
    this.#complete(taken);
    this.#completed = 0;
    this.#queue.lookIn(taken > 0 ? window[firstSegment[taken] - 1] : before);
    if (taken < fetched) this.#queue.unfetch(this.#chains, fetched - taken);
  }
}
