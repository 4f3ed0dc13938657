import type { PacketBurst, QueueStats } from '@vio/net';
import { type BufferPool, ChainBurst, type DeviceQueue } from '@vio/rings';
import type { BurstCopier } from './burst-copier.ts';
import { type SinglesPath, createSingles } from './singles.ts';

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
   * ignored: no offload is negotiated. What is too short or too long is dropped and counted as an error.
   * @returns how many, which is also `burst.count`
   */
  run(pool: BufferPool, burst: PacketBurst, max: number): number {
    burst.count = 0;
    burst.pool = pool;
    let wanted = max < burst.capacity ? max : burst.capacity;
    if (wanted > chainsPerBurst) wanted = chainsPerBurst;
    if (wanted > pool.free) wanted = pool.free;
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
    pool.alloc(buffer, 0, fetched);
    let n = 0;
    for (let c = 0; c < fetched; c++) {
      chains.written[c] = 0;
      const bytes = chains.readableBytes[c] - header;
      if (bytes <= 0 || bytes > maxPacketBytes) {
        this.stats.countErrors(1, 'length');
        continue;
      }
      const b = buffer[n];
      const first = chains.firstSegment[c];
      const to = pool.dataBase + b * pool.stride;
      if (bytes <= pool.dataRoom && chains.length[first] >= header + bytes) {
        copier.fromDriver(chains.window[first], chains.offset[first] + header, local, to, bytes);
        segments[n] = 1;
      } else {
        const used = this.#copyChain(c, bytes, pool, b, local);
        if (used === 0) {
          // No buffers for this one: it and what follows stay with the driver.
          this.queue.unfetch(chains, fetched - c);
          this.#finish(pool, burst, n, fetched, c);
          return;
        }
        segments[n] = used;
      }
      offset[n] = to;
      length[n] = bytes;
      n++;
    }
    this.#finish(pool, burst, n, fetched, fetched);
  }

  /** Takes and forgets everything: what a disabled ring does with a driver's packets. */
  drain(): void {
    for (;;) {
      const fetched = this.queue.fetch(this.#chains, chainsPerBurst);
      if (fetched === 0) return;
      this.#chains.written.fill(0, 0, fetched);
      this.queue.complete(this.#chains, 0, fetched);
    }
  }

  #finish(pool: BufferPool, burst: PacketBurst, packets: number, allocated: number, chains: number): void {
    this.#copier.run();
    pool.release(burst.buffer, packets, allocated - packets);
    if (chains > 0) this.queue.complete(this.#chains, 0, chains);
    burst.count = packets;
    this.stats.countBurst(pool.region.u8, burst, 0, packets);
  }

  /** A packet of several segments, or of several buffers. @returns the number of buffers, 0 if there were too few */
  #copyChain(c: number, bytes: number, pool: BufferPool, head: number, local: number): number {
    const chains = this.#chains;
    const needed = Math.ceil(bytes / pool.dataRoom);
    if (needed - 1 > pool.free) return 0;
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
    return needed;
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
