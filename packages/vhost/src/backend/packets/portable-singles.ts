import type { PacketBurst, QueueStats } from '@vio/net';
import type { BufferPool, DeviceQueue } from '@vio/rings';
import { SingleBurst, type SingleKind } from '@vio/rings/internal';
import type { BurstCopier } from './burst-copier.ts';
import { anyLength, chainsPerBurst, oneBuffer } from './burst-limits.ts';
import type { SinglesOptions, SinglesPath } from './singles-path.ts';

/** The same as NativeSingles, in TypeScript; also for queues that have to see every chain themselves. */
export class PortableSingles implements SinglesPath {
  readonly #queue: DeviceQueue;
  readonly #copier: BurstCopier;
  readonly #header: number;
  readonly #kind: SingleKind;
  readonly #front: number;
  readonly #stats: QueueStats | undefined;
  readonly #singles = new SingleBurst(chainsPerBurst);

  constructor({ queue, copier, headerBytes, writable, front = 0, stats }: SinglesOptions) {
    this.#stats = stats;
    this.#queue = queue;
    this.#copier = copier;
    this.#header = headerBytes;
    this.#front = front;
    this.#kind = { writable, prefix: headerBytes };
  }

  get blocked(): boolean {
    return this.#singles.blocked;
  }

  take(pool: BufferPool, burst: PacketBurst, wanted: number): number {
    burst.pool = pool;
    burst.count = 0;
    const singles = this.#singles;
    const front = this.#front;
    if (this.#queue.fetchSingles(singles, wanted, this.#kind, 1, pool.dataRoom + front) === 0) return 0;
    const copier = this.#copier;
    const n = pool.allocBurst(burst, singles.count, 0);
    const { length, offset } = burst;
    if (front > 0) for (let i = 0; i < n; i++) offset[i] -= front;
    copier.burstFromDriver(singles, copier.localHandle(pool.region), offset);
    if (front > 0) for (let i = 0; i < n; i++) offset[i] += front;
    copier.run();
    this.#queue.completeSingles(singles);
    for (let i = 0; i < n; i++) length[i] = singles.length[i] - front;
    this.#stats?.countBurst(pool.region.u8, burst, 0, n);
    return n;
  }

  put(pool: BufferPool, burst: PacketBurst, from: number, end: number): number {
    const { offset, length, segments } = burst;
    const singles = this.#singles;
    const limit = end - from < chainsPerBurst ? end : from + chainsPerBurst;
    let longest = 0;
    let at = from;
    for (; at < limit && segments[at] === 1; at++) if (length[at] > longest) longest = length[at];
    if (at === from) {
      singles.blocked = true;
      return 0;
    }
    const n = this.#queue.fetchSingles(singles, at - from, this.#kind, longest, anyLength);
    if (n === 0) return 0;
    const copier = this.#copier;
    copier.burstToDriver(copier.localHandle(pool.region), offset, length, from, singles);
    copier.run();
    const { written } = singles;
    for (let i = 0; i < n; i++) {
      this.#writeHeader(singles.window, singles.offset[i] - this.#header);
      written[i] = length[from + i] + this.#header;
    }
    this.#queue.completeSingles(singles);
    this.#stats?.countBurst(pool.region.u8, burst, from, from + n);
    return n;
  }

  /** No offload, one buffer. Words are stored where they differ: the cache line of a recycled buffer stays clean. */
  #writeHeader(window: number, start: number): void {
    const { i32, u8 } = this.#copier.map.windows[window].region;
    const header = this.#header;
    if (header === 12 && (start & 3) === 0) {
      const word = start >>> 2;
      if (i32[word] !== 0) i32[word] = 0;
      if (i32[word + 1] !== 0) i32[word + 1] = 0;
      if (i32[word + 2] !== oneBuffer) i32[word + 2] = oneBuffer;
    } else {
      u8.fill(0, start, start + header);
      if (header >= 12) u8[start + 10] = 1;
    }
  }
}
