import type { BufferPool, DriverQueue } from '@vio/rings';
import type { HeaderBytes } from '../header.ts';
import type { HeaderCodec } from '../offload/header-codec.ts';
import type { PacketBurst } from '../packet-burst.ts';
import type { QueueStats } from '../stats.ts';

export interface TxTwinOptions {
  readonly queue: DriverQueue;
  readonly pool: BufferPool;
  readonly stats: QueueStats;
  readonly headerBytes: HeaderBytes;
  /** Present when offloads were negotiated. */
  readonly codec: HeaderCodec | undefined;
  /** True when even a packet of one segment takes a chain: the header has a descriptor of its own. */
  readonly separateHeader: boolean;
  /** Packets have one buffer each, and their headers say nothing. */
  readonly simple: boolean;
}

const reapBurst = 64;

/**
 * Puts packets on a transmit ring and takes their buffers back: what `BurstKernel.send` and `reap` do in C++, in TypeScript.
 * Whatever that stops at, and every packet of a queue without one, goes this way.
 */
export class TxTwin {
  /** Packets of several segments that the device holds; while there are none, completions are given back in bulk. */
  chains = 0;
  readonly #queue: DriverQueue;
  readonly #pool: BufferPool;
  readonly #stats: QueueStats;
  readonly #header: HeaderBytes;
  readonly #codec: HeaderCodec | undefined;
  readonly #separateHeader: boolean;
  readonly #simple: boolean;
  readonly #tokens = new Int32Array(reapBurst);

  constructor(options: TxTwinOptions) {
    this.#queue = options.queue;
    this.#pool = options.pool;
    this.#stats = options.stats;
    this.#header = options.headerBytes;
    this.#codec = options.codec;
    this.#separateHeader = options.separateHeader;
    this.#simple = options.simple;
  }

  /** Buffers that a packet can have at most: the whole ring holds no more. One on the simple path. */
  get longest(): number {
    return this.#simple ? 1 : this.#queue.size - (this.#separateHeader ? 1 : 0);
  }

  /**
   * Adds packets `from` to `burst.count - 1`, in order, as far as the ring has room; one of more than `longest` buffers is dropped.
   * It alternates between runs of single-segment packets, added in one go, and chains.
   * @returns how many were dealt with
   */
  add(burst: PacketBurst, from: number): number {
    const end = burst.count;
    let at = from;
    while (at < end) {
      const singles = this.#separateHeader ? 0 : this.#addSingles(burst, at, end);
      if (singles > 0) {
        at += singles;
        continue;
      }
      const added =
        this.#simple || this.#queue.free === 0
          ? 0
          : this.#addChains(burst, at, this.#chainRun(burst, at, end));
      at += added;
      if (added > 0) continue;
      // It would wait for ever, and all others behind it.
      if (burst.segments[at] <= this.longest) break;
      this.dropTooLong(burst, at++);
    }
    return at - from;
  }

  /** Gives the buffers of packet `at` back, and counts it: no ring holds it. */
  dropTooLong(burst: PacketBurst, at: number): void {
    burst.pool ??= this.#pool;
    burst.releaseOne(at);
    this.#stats.countDrops(1, 'no_room');
  }

  /** Gives the buffers of all packets the device has read back to the pool. */
  reap(): void {
    for (;;) {
      const n = this.chains === 0 ? this.#pool.reap(this.#queue, reapBurst) : this.#reapMixed();
      if (n < reapBurst) break;
    }
  }

  /** After the device was stopped: takes back every packet it held. @returns how many */
  reclaim(): number {
    const tokens = new Int32Array(this.#queue.size);
    const n = this.#queue.reclaim(tokens);
    for (let i = 0; i < n; i++) this.#pool.releaseChain(tokens[i]);
    this.chains = 0;
    return n;
  }

  /** Adds the packets of one segment from `from` on, as many as follow each other and fit the ring. @returns how many */
  #addSingles(burst: PacketBurst, from: number, end: number): number {
    const n = this.#prepareSingles(burst, from, end);
    if (n > 0) this.#queue.add(burst.buffer, burst.offset, burst.length, from, n, this.#header);
    return n;
  }

  /**
   * Readies the packets of one segment from `from` on, as many as follow each other and fit the ring.
   * @returns how many
   */
  #prepareSingles(burst: PacketBurst, from: number, end: number): number {
    const { i32, u8 } = this.#pool.region;
    const { offset, length, segments } = burst;
    const stats = this.#stats;
    const queue = this.#queue;
    const header = this.#header;
    const limit = end - from < queue.free ? end : from + queue.free;
    let i = from;
    for (; i < limit && segments[i] === 1; i++) {
      clearHeader(i32, u8, offset[i], header);
      stats.count(u8, offset[i], length[i]);
    }
    stats.settle();
    this.#writeHeaders(burst, from, i);
    return i - from;
  }

  /** With offloads: what the burst says goes into the headers, which are clear. */
  #writeHeaders(burst: PacketBurst, from: number, end: number): void {
    const { offloads } = burst;
    if (this.#codec === undefined || offloads === undefined) return;
    const { u8 } = this.#pool.region;
    for (let i = from; i < end; i++) {
      if (offloads.flags[i] !== 0)
        this.#codec.write(u8, burst.offset[i] - this.#header, this.#header, offloads, i);
    }
  }

  /** @returns how many packets from `from` on have to be chains */
  #chainRun({ segments }: PacketBurst, from: number, end: number): number {
    let i = from;
    while (i < end && (segments[i] > 1 || this.#separateHeader)) i++;
    return i - from;
  }

  #addChains(burst: PacketBurst, from: number, count: number): number {
    const pool = this.#pool;
    const { i32, u8 } = pool.region;
    for (let i = from; i < from + count; i++) {
      clearHeader(i32, u8, burst.offset[i], this.#header);
      if (burst.segments[i] !== 1) continue;
      pool.dataOffset[burst.buffer[i]] = burst.offset[i];
      pool.dataLength[burst.buffer[i]] = burst.length[i];
    }
    this.#writeHeaders(burst, from, from + count);
    const added = this.#queue.addChains(burst.buffer, burst.segments, pool, from, count, this.#header);
    this.chains += added;
    this.#stats.countBurst(u8, burst, from, from + added);
    return added;
  }

  #reapMixed(): number {
    const tokens = this.#tokens;
    const n = this.#queue.reap(tokens, undefined, 0, reapBurst);
    for (let i = 0; i < n; i++) {
      if (this.#pool.next[tokens[i]] !== -1 || this.#separateHeader) this.chains--;
      this.#pool.releaseChain(tokens[i]);
    }
    return n;
  }
}

/** num_buffers 1, in the third word of a header. */
const oneBuffer = 1 << 16;

/**
 * Zeroes the header in front of the packet at `offset`: no checksum, no segmentation, num_buffers 0. A header that is
 * zero already, as a recycled buffer's is, is only read, so its cache line stays clean. So is that of a packet which came in
 * a mergeable buffer and is forwarded: it says that there is 1, which no device looks at, and none writes again.
 */
function clearHeader(i32: Int32Array, u8: Uint8Array, offset: number, bytes: HeaderBytes): void {
  const word = (offset - 12) >>> 2;
  if (bytes === 12 && (offset & 3) === 0) {
    if ((i32[word] | i32[word + 1] | (i32[word + 2] & ~oneBuffer)) === 0) return;
    i32[word] = 0;
    i32[word + 1] = 0;
    i32[word + 2] = 0;
  } else {
    clearBytes(u8, offset - bytes, offset);
  }
}

function clearBytes(u8: Uint8Array, from: number, end: number): void {
  for (let at = from; at < end; at++) {
    if (u8[at] !== 0) u8[at] = 0;
  }
}
