import type { DropReason, PacketBurst, QueueStats } from '@vio/net';
import { type BufferPool, ChainBurst, type DeviceQueue } from '@vio/rings';
import type { BurstCopier } from './burst-copier.ts';
import { createSingles } from './singles.ts';
import type { SinglesPath } from './singles-path.ts';

const chainsPerBurst = 64;
const segmentsPerBurst = 2048;
/** Largest packet taken from a driver, in bytes. */
const maxPacketBytes = 65_535;

/** Takes packets out of a driver's transmit queue: copies them into buffers of a local pool. */
export class DequeuePath {
  readonly queue: DeviceQueue;
  readonly stats: QueueStats;
  readonly #copier: BurstCopier;
  readonly #header: number;
  readonly #singles: SinglesPath;
  readonly #chains: ChainBurst;

  constructor(queue: DeviceQueue, copier: BurstCopier, headerBytes: number, stats: QueueStats) {
    this.queue = queue;
    this.stats = stats;
    this.#copier = copier;
    this.#header = headerBytes;
    this.#singles = createSingles({ queue, copier, headerBytes, writable: false });
    this.#chains = new ChainBurst(chainsPerBurst, Math.max(segmentsPerBurst, queue.size));
  }

  /**
   * Receives up to `max` packets into `burst`, in buffers of `pool` that belong to the caller then. The header is
   * ignored: no offload is negotiated. What is too short or too long, for the whole pool as well, is dropped and counted
   * as an error.
   * @returns how many, which is also `burst.count`
   */
  run(pool: BufferPool, burst: PacketBurst, max: number): number {
    burst.count = 0;
    burst.pool = pool;
    let wanted = max < burst.capacity ? max : burst.capacity;
    if (wanted > chainsPerBurst) wanted = chainsPerBurst;
    wanted = pool.available(wanted);
    if (wanted <= 0) return 0;
    const n = this.#singles.take(pool, burst, wanted);
    if (n > 0) this.stats.countBurst(pool.region.u8, burst, 0, n);
    else if (this.#singles.blocked) this.#takeChains(pool, burst, wanted);
    return burst.count;
  }

  #takeChains(pool: BufferPool, burst: PacketBurst, wanted: number): void {
    const chains = this.#chains;
    const header = this.#header;
    const fetched = this.queue.fetch(chains, wanted);
    if (fetched === 0) return;
    const copier = this.#copier;
    const local = copier.localHandle(pool.region);
    const { buffer, offset, length, segments } = burst;
    // A head for every chain; heads of packets to come are given up for the segments of one in front of them.
    let heads = pool.alloc(buffer, 0, fetched);
    let n = 0;
    let c = 0;
    for (; c < fetched; c++) {
      const bytes = chains.readableBytes[c] - header;
      if (bytes <= 0 || bytes > maxPacketBytes) {
        this.#drop(c, 'length');
        continue;
      }
      const needed = bytes <= pool.dataRoom ? 1 : Math.ceil(bytes / pool.dataRoom);
      if (needed > pool.count) {
        this.#drop(c, 'no_room');
        continue;
      }
      if (needed - (n < heads ? 1 : 0) > pool.free) {
        pool.release(buffer, n, heads - n);
        heads = n;
        // It and what follows stay with the driver until buffers come back.
        if (pool.available(needed) < needed) break;
      }
      if (n === heads) heads += pool.alloc(buffer, n, 1);
      const first = chains.firstSegment[c];
      const b = buffer[n];
      const to = pool.dataBase + b * pool.stride;
      if (needed === 1 && chains.length[first] >= header + bytes) {
        copier.fromDriver(chains.window[first], chains.offset[first] + header, local, to, bytes);
      } else {
        this.#copyChain(c, bytes, pool, b, local);
      }
      chains.written[c] = 0;
      segments[n] = needed;
      offset[n] = to;
      length[n] = bytes;
      n++;
    }
    copier.run();
    pool.release(buffer, n, heads - n);
    if (c < fetched) this.queue.unfetch(chains, fetched - c);
    if (c > 0) this.queue.complete(chains, 0, c);
    burst.count = n;
    this.stats.countBurst(pool.region.u8, burst, 0, n);
  }

  /** A packet that nobody gets: the driver has its chain back. */
  #drop(c: number, reason: DropReason): void {
    this.#chains.written[c] = 0;
    this.stats.countErrors(1, reason);
  }

  /**
   * Takes and forgets what there is, one ring's worth of descriptors: what a disabled ring does with a driver's packets. A
   * driver that keeps up does not keep us here.
   */
  drain(): void {
    const chains = this.#chains;
    for (let left = this.queue.size; left > 0; left -= chains.descriptors) {
      const fetched = this.queue.fetch(chains, left < chainsPerBurst ? left : chainsPerBurst);
      if (fetched === 0) return;
      chains.written.fill(0, 0, fetched);
      this.queue.complete(chains, 0, fetched);
    }
  }

  /** A packet of several segments, or for several buffers: `head`, and others of the pool, of which there are enough. */
  #copyChain(c: number, bytes: number, pool: BufferPool, head: number, local: number): void {
    const chains = this.#chains;
    let segment = chains.firstSegment[c];
    let skip = this.#header;
    while (skip >= chains.length[segment]) skip -= chains.length[segment++];
    let left = bytes;
    let b = head;
    let room = this.#beginBuffer(pool, b, left);
    while (left > 0) {
      if (room === 0) {
        pool.alloc(this.#extra, 0, 1);
        pool.next[b] = this.#extra[0];
        b = this.#extra[0];
        room = this.#beginBuffer(pool, b, left);
      }
      const available = chains.length[segment] - skip;
      const part = available < room ? available : room;
      const to = pool.dataOffset[b] + pool.dataLength[b] - room;
      this.#copier.fromDriver(chains.window[segment], chains.offset[segment] + skip, local, to, part);
      left -= part;
      room -= part;
      skip += part;
      if (skip === chains.length[segment]) {
        segment++;
        skip = 0;
      }
    }
  }

  readonly #extra = new Int32Array(1);

  /** @returns bytes this buffer will hold */
  #beginBuffer(pool: BufferPool, b: number, left: number): number {
    const bytes = left < pool.dataRoom ? left : pool.dataRoom;
    pool.dataOffset[b] = pool.dataBase + b * pool.stride;
    pool.dataLength[b] = bytes;
    return bytes;
  }
}
