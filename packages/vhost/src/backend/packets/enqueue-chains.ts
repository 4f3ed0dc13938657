import type { PacketBurst, QueueStats } from '@vio/net';
import { type HeaderCodec, hashOffset, numBuffersOffset } from '@vio/net/internal';
import { type BufferPool, ChainBurst, type DeviceQueue, type MemoryMap } from '@vio/rings';
import type { BurstCopier } from './burst-copier.ts';
import { chainsPerBurst, segmentsPerBurst } from './burst-limits.ts';
import { ChainWriter } from './chain-writer.ts';
import type { CopySink, PacketHolder } from './packet-holder.ts';

/** For a packet that takes more chains than a burst has: pieces of 8 bytes make 64 KiB. */
const segmentsPerPacket = 8192;

/** What a receive queue is filled by. */
export interface EnqueueParts {
  readonly queue: DeviceQueue;
  readonly copier: BurstCopier;
  readonly memory: MemoryMap;
  readonly headerBytes: number;
  /** A packet may lie in several chains (MRG_RXBUF). */
  readonly mergeable: boolean;
  readonly stats: QueueStats;
  /** Present when the driver takes work that is left to it. */
  readonly codec: HeaderCodec | undefined;
  /** Present when copies are done beside this thread. */
  readonly holder: PacketHolder | undefined;
}

/**
 * Puts packets of any kind into a driver's receive queue, chain by chain: of several segments, into several chains, with a header
 * that says something, or into the chains that a holder has.
 */
export class EnqueueChains {
  /** True while packets are copied by this thread although there is a holder: they are gone, or others, when it comes to them. */
  atOnce = false;
  readonly #copier: BurstCopier;
  readonly #memory: MemoryMap;
  readonly #header: number;
  readonly #mergeable: boolean;
  /** Bytes that a packet's first chain must have room for: with MRG_RXBUF the header (5.1.6.3.1). */
  readonly #least: number;
  readonly #reportsHashes: boolean;
  readonly #stats: QueueStats;
  readonly #codec: HeaderCodec | undefined;
  readonly #holder: PacketHolder | undefined;
  readonly #writer = new ChainWriter();
  readonly #spreadHeader = new Uint8Array(20);
  #queue: DeviceQueue;
  /** Only where a driver sends more than the fast way knows: most rings never need it. */
  #own: ChainBurst | undefined;
  /** For packets over more chains than `#chains` holds; made when the first one comes. */
  #many: ChainBurst | undefined;
  /** Chains in front of this one are completed. */
  #completed = 0;

  constructor({ queue, copier, memory, headerBytes, mergeable, stats, codec, holder }: EnqueueParts) {
    this.#queue = queue;
    this.#copier = copier;
    this.#memory = memory;
    this.#header = headerBytes;
    this.#mergeable = mergeable;
    this.#least = mergeable ? headerBytes : headerBytes + 1;
    this.#reportsHashes = headerBytes === 20;
    this.#stats = stats;
    this.#codec = codec;
    this.#holder = holder;
  }

  /** Goes on with another view of the same ring. */
  work(queue: DeviceQueue): void {
    this.#queue = queue;
  }

  get #chains(): ChainBurst {
    const segments = Math.max(segmentsPerBurst, this.#queue.size);
    return (this.#own ??= new ChainBurst(chainsPerBurst, segments));
  }

  /**
   * Delivers packets `from` to `end - 1`, in order, each in as many chains as it takes.
   * @returns how many were dealt with: delivered, or dropped because no buffer of the driver can hold them
   */
  put(pool: BufferPool, burst: PacketBurst, from: number, end: number): number {
    const holder = this.#holder;
    let chains = holder === undefined ? this.#chains : holder.chains();
    const { offset, length, segments } = burst;
    const header = this.#header;
    let first = holder === undefined ? 0 : chains.count;
    let fetched = this.#fetch(chains, first, this.#chainsFor(length, from, end));
    if (fetched === 0) return 0;
    const copies = holder === undefined || this.atOnce ? this.#copier : holder.copies;
    const local = copies.localHandle(pool.region);
    this.#completed = first;
    let c = first;
    let grown = false;
    fetched += first;
    let i = from;
    let delivered = from;
    while (i < end) {
      const bytes = length[i];
      if (c < fetched) {
        const segment = chains.firstSegment[c] + chains.readable[c];
        if (chains.length[segment] >= header + bytes && chains.writableBytes[c] > 0 && segments[i] === 1) {
          // The common case: everything fits the first writable segment.
          const window = chains.window[segment];
          const to = chains.offset[segment];
          this.#writeHeader(window, to, burst, i);
          copies.toDriver(local, offset[i], window, to + header, bytes);
          chains.written[c++] = header + bytes;
          if (holder !== undefined) this.#give(holder, burst, i, 1);
          i++;
          continue;
        }
        if (chains.writableBytes[c] < this.#least) {
          // No packet can begin here. The driver gets it back empty: in its place it would stop all others.
          chains.written[c++] = 0;
          holder?.skip(1);
          continue;
        }
      }
      const used = this.#chainsThatHold(chains, c, header + bytes);
      if (used > 0) {
        this.#spread(pool, burst, i, chains, c, used, local, copies);
        if (holder !== undefined) this.#give(holder, burst, i, used);
        i++;
        c += used;
        continue;
      }
      // Too few chains: what follows may break the queue, and the packets in front of it have arrived by then.
      this.#complete(chains, c, copies);
      let dropped = c < fetched && !this.#mergeable;
      if (!dropped) {
        const more = this.#queue.fetchMore(chains, this.#chainsFor(length, i, end));
        fetched += more;
        if (more > 0) continue;
        if (chains.full && c === first && !grown && this.#queue.broken === undefined) {
          grown = true;
          this.#queue.unfetch(chains, fetched - c);
          const { size } = this.#queue;
          chains = this.#many ??= new ChainBurst(size, Math.max(segmentsPerPacket, 2 * size));
          // What is held is not used again.
          if (holder !== undefined) this.#many = undefined;
          first = c = this.#completed = 0;
          fetched = this.#queue.fetch(chains, chainsPerBurst);
          continue;
        }
        // The driver supplies more, unless it has nothing left to supply or not even this burst takes it.
        dropped =
          this.#queue.broken === undefined && (chains.full ? c === first : this.#isWholeRing(chains, c));
      }
      if (!dropped) break;
      this.#stats.countErrors(1, 'no_room');
      if (holder !== undefined) this.#give(holder, burst, i, 0);
      // What was delivered before it is counted as one run.
      this.#stats.countBurst(pool.region.u8, burst, delivered, i);
      delivered = ++i;
    }
    this.#complete(chains, c, copies);
    if (c < fetched) this.#queue.unfetch(chains, fetched - c);
    this.#stats.countBurst(pool.region.u8, burst, delivered, i);
    return i - from;
  }

  /** Takes chains behind the first so many of the burst, which a holder has. */
  #fetch(chains: ChainBurst, held: number, max: number): number {
    return held === 0 ? this.#queue.fetch(chains, max) : this.#queue.fetchMore(chains, max);
  }

  /** A packet is in its chains, or will be. */
  #give(holder: PacketHolder, burst: PacketBurst, i: number, chains: number): void {
    if (this.atOnce) holder.skip(chains);
    else holder.packet(burst, i, chains);
  }

  /** Copies what was noted, and completes the chains in front of `c`. */
  #complete(chains: ChainBurst, c: number, copies: CopySink): void {
    copies.run();
    const from = this.#completed;
    this.#completed = c;
    if (c === from) return;
    if (this.#holder === undefined) this.#queue.complete(chains, from, c - from);
    else this.#holder.complete(chains, from, c - from);
  }

  /** How many chains to look at: one for each packet, with MRG_RXBUF more for long ones. */
  #chainsFor(length: Int32Array, from: number, end: number): number {
    let wanted = end - from;
    if (this.#mergeable) {
      for (let i = from; i < end; i++) if (length[i] > 1024) wanted += length[i] >>> 10;
    }
    return wanted < chainsPerBurst ? wanted : chainsPerBurst;
  }

  /** How many chains from `c` on hold so many bytes: one, or with MRG_RXBUF any number. 0: they do not. */
  #chainsThatHold(chains: ChainBurst, c: number, bytes: number): number {
    const { writableBytes, count } = chains;
    const end = this.#mergeable || c === count ? count : c + 1;
    let room = 0;
    for (let i = c; i < end; i++) {
      room += writableBytes[i];
      if (room >= bytes) return i - c + 1;
    }
    return 0;
  }

  /** True when the chains from `c` on are all that the driver can supply. */
  #isWholeRing({ held, count }: ChainBurst, c: number): boolean {
    let descriptors = 0;
    for (let i = c; i < count; i++) descriptors += held[i];
    return descriptors >= this.#queue.size;
  }

  /** A packet that needs several segments, on the source side or the driver's, or chains: `used` of them hold it. */
  #spread(
    pool: BufferPool,
    burst: PacketBurst,
    i: number,
    chains: ChainBurst,
    c: number,
    used: number,
    local: number,
    copies: CopySink,
  ): void {
    const writer = this.#writer;
    writer.begin(chains, c);
    this.fillHeader(this.#spreadHeader, 0, burst, i);
    if (this.#header >= 12) {
      this.#spreadHeader[numBuffersOffset] = used & 0xff;
      this.#spreadHeader[numBuffersOffset + 1] = used >>> 8;
    }
    writer.header(this.#memory, this.#header, this.#spreadHeader);
    if (burst.segments[i] === 1) {
      writer.copy(copies, local, burst.offset[i], burst.length[i]);
    } else {
      for (let b = burst.buffer[i]; b !== -1; b = pool.next[b]) {
        writer.copy(copies, local, pool.dataOffset[b], pool.dataLength[b]);
      }
    }
  }

  #writeHeader(window: number, offset: number, burst: PacketBurst, i: number): void {
    this.fillHeader(this.#memory.windows[window].region.u8, offset, burst, i);
  }

  /** What is left to the driver, num_buffers 1, and the hash of packet `i` if it has one. */
  fillHeader(u8: Uint8Array, at: number, { offloads }: PacketBurst, i: number): void {
    if (offloads !== undefined && this.#codec !== undefined && offloads.flags[i] !== 0)
      this.#codec.write(u8, at, this.#header, offloads, i);
    else u8.fill(0, at, at + this.#header);
    if (this.#header >= 12) u8[at + numBuffersOffset] = 1;
    if (!this.#reportsHashes || offloads === undefined) return;
    const hash = offloads.hash[i];
    u8[at + hashOffset] = hash & 0xff;
    u8[at + hashOffset + 1] = (hash >>> 8) & 0xff;
    u8[at + hashOffset + 2] = (hash >>> 16) & 0xff;
    u8[at + hashOffset + 3] = hash >>> 24;
    u8[at + hashOffset + 4] = offloads.hashReport[i];
  }
}
