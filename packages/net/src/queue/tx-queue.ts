import type { BufferPool, DriverQueue, QueueFault } from '@vio/rings';
import { type HeaderBytes, clearHeaders } from '../header.ts';
import type { PacketBurst } from '../packet-burst.ts';
import { QueueStats } from '../stats.ts';

/** Wakes the other side of a queue: an eventfd, a doorbell. */
export interface Notifier {
  signal(): void;
}

export interface NetQueueOptions {
  readonly queue: DriverQueue;
  readonly pool: BufferPool;
  readonly headerBytes: HeaderBytes;
  readonly kick: Notifier;
  /** Called once when the queue breaks. */
  readonly onBroken: (fault: QueueFault) => void;
}

const reapBurst = 64;

/** A transmit queue: packets go out of the pool, onto the ring, and back to the pool once the device has read them. */
export class TxQueue {
  readonly queue: DriverQueue;
  readonly pool: BufferPool;
  readonly stats = new QueueStats();
  /** Kicks sent to the device. */
  kicks = 0;
  readonly #header: HeaderBytes;
  readonly #kick: Notifier;
  readonly #onBroken: (fault: QueueFault) => void;
  /** True when even a packet of one segment takes a chain: the header has a descriptor of its own. */
  readonly #separateHeader: boolean;
  readonly #tokens = new Int32Array(reapBurst);
  readonly #lengths = new Int32Array(reapBurst);
  /** Packets of several segments that the device holds; while there are none, completions are given back in bulk. */
  #chains = 0;
  #reported = false;

  constructor(options: NetQueueOptions & { readonly separateHeader?: boolean }) {
    this.queue = options.queue;
    this.pool = options.pool;
    this.#header = options.headerBytes;
    this.#kick = options.kick;
    this.#onBroken = options.onBroken;
    this.#separateHeader = options.separateHeader ?? false;
    this.pool.onShortage(() => this.reap());
  }

  /**
   * Sends packets `from` to `burst.count - 1`, in order. Those taken belong to the queue, which gives their buffers
   * back to the pool when the device is done with them; the rest stays the caller's (the ring is full: try again).
   * @returns how many were taken
   */
  send(burst: PacketBurst, from = 0): number {
    const wanted = burst.count - from;
    if (wanted <= 0) return 0;
    // With indirect tables a ring that is far from full can hold every buffer of the pool, and receiving starves.
    if (this.queue.free < wanted || this.#chains > 0) this.reap();
    clearHeaders(this.pool.region, burst.offset, from, burst.count, this.#header);
    const taken = this.#add(burst, from);
    if (taken > 0) {
      this.stats.countBurst(this.pool.region.u8, burst, from, from + taken);
      if (this.queue.kickNeeded()) {
        this.kicks++;
        this.#kick.signal();
      }
    }
    return taken;
  }

  /** Gives the buffers of all packets the device has read back to the pool; `send` does it when it needs room. */
  reap(): void {
    const tokens = this.#tokens;
    for (;;) {
      const n = this.queue.reap(tokens, this.#lengths, 0, reapBurst);
      if (this.#chains === 0) this.pool.release(tokens, 0, n);
      else this.#releaseMixed(n);
      if (n < reapBurst) break;
    }
    if (this.queue.broken !== null) this.#report(this.queue.broken);
  }

  /** After the device was stopped: takes back every packet it held. */
  reclaim(): void {
    const tokens = new Int32Array(this.queue.size);
    const n = this.queue.reclaim(tokens);
    for (let i = 0; i < n; i++) this.pool.releaseChain(tokens[i]);
    this.#chains = 0;
  }

  /** Alternates between runs of single-segment packets, added in one go, and chains. */
  #add(burst: PacketBurst, from: number): number {
    const { segments, count } = burst;
    let at = from;
    while (at < count) {
      const single = segments[at] === 1 && !this.#separateHeader;
      let end = at + 1;
      while (end < count && (segments[end] === 1 && !this.#separateHeader) === single) end++;
      const added = single
        ? this.queue.add(burst.buffer, burst.offset, burst.length, at, end - at, this.#header)
        : this.#addChains(burst, at, end - at);
      at += added;
      if (at < end) break;
    }
    return at - from;
  }

  #addChains(burst: PacketBurst, from: number, count: number): number {
    const { pool } = this;
    for (let i = from; i < from + count; i++) {
      if (burst.segments[i] !== 1) continue;
      pool.dataOffset[burst.buffer[i]] = burst.offset[i];
      pool.dataLength[burst.buffer[i]] = burst.length[i];
    }
    const added = this.queue.addChains(burst.buffer, burst.segments, pool, from, count, this.#header);
    this.#chains += added;
    return added;
  }

  #releaseMixed(count: number): void {
    const tokens = this.#tokens;
    for (let i = 0; i < count; i++) {
      if (this.pool.next[tokens[i]] !== -1 || this.#separateHeader) this.#chains--;
      this.pool.releaseChain(tokens[i]);
    }
  }

  #report(fault: QueueFault): void {
    if (this.#reported) return;
    this.#reported = true;
    this.#onBroken(fault);
  }
}
