import type { PacketBurst, QueueStats } from '@vio/net';
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
      let done = this.#singles.put(pool, burst, at, end);
      if (done > 0) this.stats.countBurst(pool.region.u8, burst, at, at + done);
      else if (this.#singles.blocked) done = this.#putChains(pool, burst, at, end);
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
        this.#writeHeader(window, to, 1);
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
    writer.header(this.#memory, this.#header, this.#header >= 12 ? used : 0);
    if (burst.segments[i] === 1) {
      writer.copy(this.#copier, local, burst.offset[i], burst.length[i]);
    } else {
      for (let b = burst.buffer[i]; b !== -1; b = pool.next[b]) {
        writer.copy(this.#copier, local, pool.dataOffset[b], pool.dataLength[b]);
      }
    }
    return used;
  }

  /** flags 0, no segmentation, num_buffers. */
  #writeHeader(window: number, offset: number, buffers: number): void {
    const { u8 } = this.#memory.windows[window].region;
    u8.fill(0, offset, offset + this.#header);
    if (this.#header >= 12) u8[offset + 10] = buffers;
  }

  readonly #writer = new ChainWriter();
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

  header(memory: MemoryMap, bytes: number, buffers: number): void {
    for (let i = 0; i < bytes; i++) {
      this.#forward();
      const { region } = memory.windows[this.#chains.window[this.#segment]];
      region.u8[this.#chains.offset[this.#segment] + this.#at] =
        i === 10 ? buffers & 0xff : i === 11 ? buffers >>> 8 : 0;
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
