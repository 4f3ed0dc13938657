import {
  HDR_GSO_NONE,
  PacketBurst,
  type PacketOffloads,
  type QueueStats,
  Segmenter,
  completePacket,
} from '@vio/net';
import type { BufferPool } from '@vio/rings';

/**
 * For applications whose bursts have no place for offloads: does in software what a driver has left to its device. Checksums are
 * completed; a packet that is to be cut, and what comes behind it, waits here and comes in segments, burst by burst.
 */
export class PlainPackets {
  readonly #stats: QueueStats;
  readonly #waiting: PacketBurst;
  readonly #cut = new Segmenter();
  /** The first one of those that wait. */
  #first = 0;

  /** @param capacity packets that a burst of the ring has */
  constructor(capacity: number, stats: QueueStats) {
    this.#stats = stats;
    this.#waiting = new PacketBurst(capacity, { offloads: true });
  }

  /** True when packets wait here: they come before those in the ring. */
  get waits(): boolean {
    return this.#waiting.count > 0;
  }

  /** What those that wait lie in. */
  get pool(): BufferPool | undefined {
    return this.waits ? this.#waiting.pool : undefined;
  }

  /** Completes the packets of a burst. @param offloads what their headers say, entry by entry */
  complete(pool: BufferPool, burst: PacketBurst, offloads: PacketOffloads, max: number): void {
    let i = 0;
    while (i < burst.count && offloads.gsoType[i] === HDR_GSO_NONE) {
      completePacket(pool, burst, i, offloads, i);
      i++;
    }
    if (i === burst.count) return;
    const waiting = this.#waiting;
    waiting.pool = pool;
    waiting.count = burst.count - i;
    for (let k = 0; k < waiting.count; k++) {
      waiting.buffer[k] = burst.buffer[i + k];
      waiting.offset[k] = burst.offset[i + k];
      waiting.length[k] = burst.length[i + k];
      waiting.segments[k] = burst.segments[i + k];
      waiting.offloads?.copy(k, offloads, i + k);
    }
    this.#first = 0;
    burst.count = i;
    this.take(pool, burst, max);
  }

  /** Appends packets that wait to a burst, up to `max`. Those of another pool are lost, and counted. */
  take(pool: BufferPool, burst: PacketBurst, max: number): void {
    const waiting = this.#waiting;
    const { offloads } = waiting;
    if (waiting.pool !== pool || offloads === undefined) return this.dispose();
    while (this.#first < waiting.count && burst.count < max) {
      const i = this.#first;
      if (this.#cut.left === 0) {
        if (offloads.gsoType[i] === HDR_GSO_NONE) {
          completePacket(pool, waiting, i, offloads, i);
          this.#pass(burst, i);
          continue;
        }
        if (!this.#cut.begin(pool, waiting, i, offloads, i)) {
          this.#stats.countErrors(1, 'header');
          this.#done();
          continue;
        }
      }
      this.#cut.next(burst, max);
      if (this.#cut.left > 0) {
        if (burst.count === 0) this.#giveUp();
        return;
      }
      this.#done();
    }
  }

  /** Gives the buffers of what waits back. */
  dispose(): void {
    if (this.#waiting.pool === undefined) return;
    while (this.waits) {
      this.#stats.countErrors(1, 'no_room');
      this.#done();
    }
    this.#cut.left = 0;
  }

  /** No buffer for one segment, and no packet whose buffers the application could give back: it would wait for ever. */
  #giveUp(): void {
    this.#stats.countErrors(1, 'no_room');
    this.#cut.left = 0;
    this.#done();
  }

  #pass(burst: PacketBurst, i: number): void {
    const waiting = this.#waiting;
    const n = burst.count++;
    burst.buffer[n] = waiting.buffer[i];
    burst.offset[n] = waiting.offset[i];
    burst.length[n] = waiting.length[i];
    burst.segments[n] = waiting.segments[i];
    this.#next();
  }

  #done(): void {
    this.#waiting.releaseOne(this.#first);
    this.#next();
  }

  #next(): void {
    if (++this.#first < this.#waiting.count) return;
    this.#first = 0;
    this.#waiting.count = 0;
  }
}
