import { type PacketBurst, PacketOffloads } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import { numberAfter, numbersFrom } from './transfers.ts';

/**
 * Packets that are on their way, in the order in which they were submitted: some still copied, then (from the front) such whose
 * bytes have arrived and whose chains the driver has back, which wait to be reported.
 */
export class HeldPackets {
  /** A power of two. */
  readonly capacity: number;
  /** Where each packet is, as in a burst. */
  readonly #buffer: Int32Array;
  readonly #offset: Int32Array;
  readonly #length: Int32Array;
  readonly #segments: Int32Array;
  readonly #pool: (BufferPool | undefined)[];
  /** Chains that go back to the driver with it. */
  readonly #chains: Int32Array;
  readonly #arrived: Uint8Array;
  /** What the driver said of each; undefined: nothing is kept. */
  readonly said: PacketOffloads | undefined;
  /** Entries: the first to be reported, the first whose chains are still held, the first that is still copied, the next one. */
  #first = 0;
  #settled = 0;
  #moving = 0;
  #next = 0;

  constructor(capacity: number, keepsSaid: boolean) {
    this.capacity = capacity;
    this.#buffer = new Int32Array(capacity);
    this.#offset = new Int32Array(capacity);
    this.#length = new Int32Array(capacity);
    this.#segments = new Int32Array(capacity);
    this.#pool = Array.from({ length: capacity }, () => undefined);
    this.#chains = new Int32Array(capacity);
    this.#arrived = new Uint8Array(capacity);
    this.said = keepsSaid ? new PacketOffloads(capacity) : undefined;
  }

  /** Packets that are held: submitted, and not reported. */
  get count(): number {
    return numbersFrom(this.#first, this.#next);
  }

  /** Packets there is room for. */
  get room(): number {
    return this.capacity - this.count;
  }

  /** Takes a packet. @returns its entry */
  hold(burst: PacketBurst, i: number, chains: number, said?: PacketOffloads): number {
    const entry = this.#next & (this.capacity - 1);
    this.#next = numberAfter(this.#next);
    this.#buffer[entry] = burst.buffer[i];
    this.#offset[entry] = burst.offset[i];
    this.#length[entry] = burst.length[i];
    this.#segments[entry] = burst.segments[i];
    this.#pool[entry] = burst.pool;
    this.#chains[entry] = chains;
    this.#arrived[entry] = 0;
    if (said === undefined) this.said?.clear(entry);
    else this.said?.copy(entry, said, i);
    return entry;
  }

  /** Takes packets of one chain each, from entry `from` of the burst on. @returns the entry of the first */
  holdRun(burst: PacketBurst, from: number, count: number, said?: PacketOffloads): number {
    const mask = this.capacity - 1;
    const buffers = this.#buffer;
    const offsets = this.#offset;
    const lengths = this.#length;
    const segments = this.#segments;
    const chains = this.#chains;
    const arrived = this.#arrived;
    const pools = this.#pool;
    const { buffer, offset, length, pool } = burst;
    const first = this.#next;
    for (let i = 0; i < count; i++) {
      const entry = (first + i) & mask;
      buffers[entry] = buffer[from + i];
      offsets[entry] = offset[from + i];
      lengths[entry] = length[from + i];
      segments[entry] = 1;
      chains[entry] = 1;
      arrived[entry] = 0;
      pools[entry] = pool;
    }
    if (this.said !== undefined)
      for (let i = 0; i < count; i++) {
        if (said === undefined) this.said.clear((first + i) & mask);
        else this.said.copy((first + i) & mask, said, from + i);
      }
    this.#next = numberAfter(first, count);
    return first & mask;
  }

  /** More chains go back with the last packet. @returns false when there is none that has not arrived */
  addChains(chains: number): boolean {
    if (this.#settled === this.#next) return false;
    this.#chains[(this.#next - 1) & (this.capacity - 1)] += chains;
    return true;
  }

  /** True when all in front of an entry have arrived. */
  isNext(entry: number): boolean {
    this.#look();
    return this.#moving !== this.#next && (this.#moving & (this.capacity - 1)) === entry;
  }

  /** The bytes of an entry are there. */
  arrived(entry: number): void {
    this.#arrived[entry] = 1;
  }

  /** The bytes of so many entries are there, from this one on. */
  arrivedRun(entry: number, count: number): void {
    const mask = this.capacity - 1;
    this.#look();
    if ((this.#moving & mask) === entry && numbersFrom(this.#moving, this.#next) >= count)
      this.#moving = numberAfter(this.#moving, count);
    else for (let i = 0; i < count; i++) this.#arrived[(entry + i) & mask] = 1;
  }

  /** Settles those that have arrived, up to the first that has not. @returns the chains that go back to the driver now */
  settle(): number {
    this.#look();
    let chains = 0;
    for (; this.#settled !== this.#moving; this.#settled = numberAfter(this.#settled))
      chains += this.#chains[this.#settled & (this.capacity - 1)];
    return chains;
  }

  /**
   * Reports packets that are settled: fills the burst, from entry 0 on, as far as they lie in one pool. What was said of them
   * goes to `said`, entry by entry.
   * @returns how many, which is also `burst.count`
   */
  report(burst: PacketBurst, max: number, said?: PacketOffloads): number {
    const most = max < burst.capacity ? max : burst.capacity;
    const { buffer, offset, length, segments } = burst;
    let n = 0;
    for (; n < most && this.#first !== this.#settled; n++) {
      const entry = this.#first & (this.capacity - 1);
      const pool = this.#pool[entry];
      if (n === 0) burst.pool = pool;
      else if (burst.pool !== pool) break;
      buffer[n] = this.#buffer[entry];
      offset[n] = this.#offset[entry];
      length[n] = this.#length[entry];
      segments[n] = this.#segments[entry];
      if (said !== undefined && this.said !== undefined) said.copy(n, this.said, entry);
      this.#pool[entry] = undefined;
      this.#first = numberAfter(this.#first);
    }
    burst.count = n;
    return n;
  }

  #look(): void {
    let moving = this.#moving;
    while (moving !== this.#next && this.#arrived[moving & (this.capacity - 1)] === 1)
      moving = numberAfter(moving);
    this.#moving = moving;
  }
}
