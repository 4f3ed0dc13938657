import { type PacketBurst, type QueueStats, hashOffset, numBuffersOffset } from '@vio/net';
import { type BufferPool, ChainBurst, type DeviceQueue, type MemoryMap } from '@vio/rings';
import type { BurstCopier } from './burst-copier.ts';
import { type SinglesPath, createSingles } from './singles.ts';

const chainsPerBurst = 64;
const segmentsPerBurst = 2048;

/** Puts packets into a driver's receive queue: copies them into the buffers the driver supplied. */
export class EnqueuePath {
  readonly queue: DeviceQueue;
  readonly stats: QueueStats;
  readonly #copier: BurstCopier;
  readonly #memory: MemoryMap;
  readonly #header: number;
  readonly #mergeable: boolean;
  readonly #reportsHashes: boolean;
  readonly #singles: SinglesPath;
  readonly #chains: ChainBurst;

  constructor(
    queue: DeviceQueue,
    copier: BurstCopier,
    memory: MemoryMap,
    headerBytes: number,
    mergeable: boolean,
    stats: QueueStats,
  ) {
    this.queue = queue;
    this.stats = stats;
    this.#copier = copier;
    this.#memory = memory;
    this.#header = headerBytes;
    this.#reportsHashes = headerBytes === 20;
    this.#singles = createSingles({ queue, copier, headerBytes, writable: true });
    this.#mergeable = mergeable;
    this.#chains = new ChainBurst(chainsPerBurst, Math.max(segmentsPerBurst, queue.size));
  }

  /**
   * Delivers packets `from` to `from + count - 1` of a burst, in order. They stay the caller's: their data is copied.
   * @returns how many were dealt with: delivered, or dropped (and counted as errors) because no buffer of the driver
   *   can hold them; fewer than `count` when the driver supplied too few buffers
   */
  run(pool: BufferPool, burst: PacketBurst, from: number, count: number): number {
    const end = from + count;
    let at = from;
    while (at < end) {
      // Hashes are written packet by packet.
      let done = this.#reportsHashes ? 0 : this.#singles.put(pool, burst, at, end);
      if (done > 0) this.stats.countBurst(pool.region.u8, burst, at, at + done);
      else if (this.#reportsHashes || this.#singles.blocked) done = this.#putChains(pool, burst, at, end);
      if (done === 0) break;
      at += done;
    }
    if (at < end) this.stats.countFullRing();
    return at - from;
  }

  #putChains(pool: BufferPool, burst: PacketBurst, from: number, end: number): number {
    const chains = this.#chains;
    const { offset, length, segments } = burst;
    const header = this.#header;
    const fetched = this.queue.fetch(chains, this.#chainsFor(length, from, end));
    if (fetched === 0) return 0;
    const local = this.#copier.localHandle(pool.region);
    let c = 0;
    let i = from;
    let delivered = from;
    for (; i < end && c < fetched; i++) {
      const bytes = length[i];
      const first = chains.firstSegment[c] + chains.readable[c];
      if (chains.length[first] >= header + bytes && chains.writableBytes[c] > 0 && segments[i] === 1) {
        // The common case: everything fits the first writable segment.
        const window = chains.window[first];
        const to = chains.offset[first];
        this.#writeHeader(window, to, burst, i);
        this.#copier.toDriver(local, offset[i], window, to + header, bytes);
        chains.written[c] = header + bytes;
        c++;
        continue;
      }
      const used = this.#spread(pool, burst, i, c, fetched, local);
      if (used < 0) break;
      if (used === 0) {
        // Dropped: what was delivered before it is counted as one run.
        this.stats.countBurst(pool.region.u8, burst, delivered, i);
        delivered = i + 1;
      }
      c += used;
    }
    this.#copier.run();
    if (c < fetched) this.queue.unfetch(chains, fetched - c);
    if (c > 0) this.queue.complete(chains, 0, c);
    this.stats.countBurst(pool.region.u8, burst, delivered, i);
    return i - from;
  }

  /** How many chains to look at: one for each packet, with MRG_RXBUF more for long ones. */
  #chainsFor(length: Int32Array, from: number, end: number): number {
    let wanted = end - from;
    if (this.#mergeable) {
      for (let i = from; i < end; i++) if (length[i] > 1024) wanted += length[i] >>> 10;
    }
    return wanted < chainsPerBurst ? wanted : chainsPerBurst;
  }

  /**
   * A packet that needs several segments or chains, on the source side or the driver's.
   * @returns chains used; 0: dropped; -1: the driver has to supply more first
   */
  #spread(
    pool: BufferPool,
    burst: PacketBurst,
    i: number,
    c: number,
    fetched: number,
    local: number,
  ): number {
    const chains = this.#chains;
    const needed = this.#header + burst.length[i];
    let room = 0;
    let used = 0;
    while (room < needed && c + used < fetched && (this.#mergeable || used === 0))
      room += chains.writableBytes[c + used++];
    if (room < needed) {
      // Without MRG_RXBUF, or with a whole burst of chains, more will not come.
      if (this.#mergeable && used < chainsPerBurst) return -1;
      this.stats.countErrors(1, 'no_room');
      return 0;
    }
    const writer = this.#writer;
    writer.begin(chains, c);
    this.#fillHeader(this.#spreadHeader, 0, burst, i);
    if (this.#header >= 12) this.#spreadHeader.set([used & 0xff, used >>> 8], numBuffersOffset);
    writer.header(this.#memory, this.#header, this.#spreadHeader);
    if (burst.segments[i] === 1) {
      writer.copy(this.#copier, local, burst.offset[i], burst.length[i]);
    } else {
      for (let b = burst.buffer[i]; b !== -1; b = pool.next[b]) {
        writer.copy(this.#copier, local, pool.dataOffset[b], pool.dataLength[b]);
      }
    }
    return used;
  }

  #writeHeader(window: number, offset: number, burst: PacketBurst, i: number): void {
    this.#fillHeader(this.#memory.windows[window].region.u8, offset, burst, i);
  }

  /** flags 0, no segmentation, num_buffers 1, and the hash of packet `i` if it has one. */
  #fillHeader(u8: Uint8Array, at: number, { offloads }: PacketBurst, i: number): void {
    u8.fill(0, at, at + this.#header);
    if (this.#header >= 12) u8[at + numBuffersOffset] = 1;
    if (!this.#reportsHashes || offloads === null) return;
    const hash = offloads.hash[i];
    u8[at + hashOffset] = hash & 0xff;
    u8[at + hashOffset + 1] = (hash >>> 8) & 0xff;
    u8[at + hashOffset + 2] = (hash >>> 16) & 0xff;
    u8[at + hashOffset + 3] = hash >>> 24;
    u8[at + hashOffset + 4] = offloads.hashReport[i];
  }

  readonly #writer = new ChainWriter();
  readonly #spreadHeader = new Uint8Array(20);
}

/** Writes a byte stream over the writable segments of consecutive chains, and how much each chain got. */
class ChainWriter {
  #chains = new ChainBurst(1, 1);
  #chain = 0;
  #segment = 0;
  #end = 0;
  #at = 0;

  begin(chains: ChainBurst, chain: number): void {
    this.#chains = chains;
    this.#chain = chain - 1;
    this.#segment = 0;
    this.#end = 0;
    this.#at = 0;
  }

  header(memory: MemoryMap, bytes: number, header: Uint8Array): void {
    for (let i = 0; i < bytes; i++) {
      this.#forward();
      const { region } = memory.windows[this.#chains.window[this.#segment]];
      region.u8[this.#chains.offset[this.#segment] + this.#at] = header[i];
      this.#wrote(1);
    }
  }

  copy(copier: BurstCopier, local: number, from: number, bytes: number): void {
    for (let done = 0; done < bytes;) {
      this.#forward();
      const room = this.#chains.length[this.#segment] - this.#at;
      const part = bytes - done < room ? bytes - done : room;
      copier.toDriver(
        local,
        from + done,
        this.#chains.window[this.#segment],
        this.#chains.offset[this.#segment] + this.#at,
        part,
      );
      this.#wrote(part);
      done += part;
    }
  }

  /** Moves to a segment with room; the caller has made sure that there is one. */
  #forward(): void {
    const chains = this.#chains;
    while (this.#segment === this.#end || this.#at === chains.length[this.#segment]) {
      if (this.#segment < this.#end) this.#segment++;
      while (this.#segment === this.#end) {
        this.#chain++;
        this.#segment = chains.firstSegment[this.#chain] + chains.readable[this.#chain];
        this.#end = chains.firstSegment[this.#chain + 1];
        chains.written[this.#chain] = 0;
      }
      this.#at = 0;
    }
  }

  #wrote(bytes: number): void {
    this.#at += bytes;
    this.#chains.written[this.#chain] += bytes;
  }
}
