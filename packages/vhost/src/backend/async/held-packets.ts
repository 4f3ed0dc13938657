import { type PacketBurst, PacketOffloads } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import { numberAfter, numbersFrom } from './transfers.ts';

/** Words of a packet: where it is, as in a burst; chains that go back to the driver with it; 1 when its bytes have arrived; 1 when something is said of it. */
const BUFFER = 0;
const OFFSET = 1;
const LENGTH = 2;
const SEGMENTS = 3;
const CHAINS = 4;
const ARRIVED = 5;
const SAID = 6;
const packetWords = 8;

/**
 * Packets that are on their way, in the order in which they were submitted: some still copied, then (from the front) such whose
 * bytes have arrived and whose chains the driver has back, which wait to be reported.
 */
export class HeldPackets {
  /** A power of two. */
  readonly capacity: number;
  /** `packetWords` of each: they are written and read together, and lie in one cache line. */
  readonly #words: Int32Array;
  readonly #pool: (BufferPool | undefined)[];
  /** What the driver said of those of which it said something; undefined: nothing is kept. */
  readonly #said: PacketOffloads | undefined;
  /** How many those are. */
  #saying = 0;
  /** Entries: the first to be reported, the first whose chains are still held, the first that is still copied, the next one. */
  #first = 0;
  #settled = 0;
  #moving = 0;
  #next = 0;

  constructor(capacity: number, keepsSaid: boolean) {
    this.capacity = capacity;
    this.#words = new Int32Array(capacity * packetWords);
    this.#pool = Array.from({ length: capacity }, () => undefined);
    this.#said = keepsSaid ? new PacketOffloads(capacity) : undefined;
  }

  /** Packets that are held: submitted, and not reported. */
  get count(): number {
    return numbersFrom(this.#first, this.#next);
  }

  /** True when something is said of some of those that are held. */
  get says(): boolean {
    return this.#saying > 0;
  }

  /** Packets there is room for. */
  get room(): number {
    return this.capacity - this.count;
  }

  /** Takes a packet. @returns its entry */
  hold(burst: PacketBurst, i: number, chains: number, said?: PacketOffloads): number {
    const entry = this.#next & (this.capacity - 1);
    this.#next = numberAfter(this.#next);
    const words = this.#words;
    const at = entry * packetWords;
    words[at + BUFFER] = burst.buffer[i];
    words[at + OFFSET] = burst.offset[i];
    words[at + LENGTH] = burst.length[i];
    words[at + SEGMENTS] = burst.segments[i];
    words[at + CHAINS] = chains;
    words[at + ARRIVED] = 0;
    words[at + SAID] = 0;
    this.#pool[entry] = burst.pool;
    if (said !== undefined) this.#keep(entry, said, i);
    return entry;
  }

  /**
   * Takes packets of one segment each, from entry `from` of the burst on.
   * @param chains of each of them, from entry 0 on
   * @returns the entry of the first
   */
  holdRun(
    burst: PacketBurst,
    from: number,
    count: number,
    chains: Int32Array,
    said?: PacketOffloads,
  ): number {
    const mask = this.capacity - 1;
    const words = this.#words;
    const pools = this.#pool;
    const { buffer, offset, length, pool } = burst;
    const first = this.#next;
    for (let i = 0; i < count; i++) {
      const entry = (first + i) & mask;
      const at = entry * packetWords;
      words[at + BUFFER] = buffer[from + i];
      words[at + OFFSET] = offset[from + i];
      words[at + LENGTH] = length[from + i];
      words[at + SEGMENTS] = 1;
      words[at + CHAINS] = chains[i];
      words[at + ARRIVED] = 0;
      words[at + SAID] = 0;
      pools[entry] = pool;
    }
    if (said !== undefined) for (let i = 0; i < count; i++) this.#keep((first + i) & mask, said, from + i);
    this.#next = numberAfter(first, count);
    return first & mask;
  }

  /** More chains go back with the last packet. @returns false when there is none that has not arrived */
  addChains(chains: number): boolean {
    if (this.#settled === this.#next) return false;
    this.#words[((this.#next - 1) & (this.capacity - 1)) * packetWords + CHAINS] += chains;
    return true;
  }

  /** True when all in front of an entry have arrived. */
  isNext(entry: number): boolean {
    this.#look();
    return this.#moving !== this.#next && (this.#moving & (this.capacity - 1)) === entry;
  }

  /** The bytes of an entry are there. */
  arrived(entry: number): void {
    this.#words[entry * packetWords + ARRIVED] = 1;
  }

  /** The bytes of so many entries are there, from this one on. */
  arrivedRun(entry: number, count: number): void {
    const mask = this.capacity - 1;
    this.#look();
    if ((this.#moving & mask) === entry && numbersFrom(this.#moving, this.#next) >= count)
      this.#moving = numberAfter(this.#moving, count);
    else for (let i = 0; i < count; i++) this.arrived((entry + i) & mask);
  }

  /** Settles those that have arrived, up to the first that has not. @returns the chains that go back to the driver now */
  settle(): number {
    this.#look();
    let chains = 0;
    const words = this.#words;
    const mask = this.capacity - 1;
    const end = this.#moving;
    for (let entry = this.#settled; entry !== end; entry = numberAfter(entry))
      chains += words[(entry & mask) * packetWords + CHAINS];
    this.#settled = end;
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
    const waiting = numbersFrom(this.#first, this.#settled);
    const count = most < waiting ? most : waiting;
    const words = this.#words;
    const pools = this.#pool;
    const mask = this.capacity - 1;
    const first = this.#first;
    const pool = pools[first & mask];
    let n = 0;
    for (; n < count; n++) {
      const entry = (first + n) & mask;
      if (pools[entry] !== pool) break;
      const at = entry * packetWords;
      buffer[n] = words[at + BUFFER];
      offset[n] = words[at + OFFSET];
      length[n] = words[at + LENGTH];
      segments[n] = words[at + SEGMENTS];
      pools[entry] = undefined;
    }
    if (said !== undefined || this.#saying > 0) this.#tell(said, first, n);
    if (n > 0) burst.pool = pool;
    this.#first = numberAfter(first, n);
    burst.count = n;
    return n;
  }

  /** Keeps what is said of a packet, if anything is. */
  #keep(entry: number, said: PacketOffloads, i: number): void {
    if (this.#said === undefined || (said.flags[i] === 0 && said.gsoType[i] === 0)) return;
    this.#words[entry * packetWords + SAID] = 1;
    this.#said.copy(entry, said, i);
    this.#saying++;
  }

  /** What was said of packets from `first` on. */
  #tell(said: PacketOffloads | undefined, first: number, count: number): void {
    said?.flags.fill(0, 0, count);
    said?.gsoType.fill(0, 0, count);
    if (this.#said === undefined || this.#saying === 0) return;
    const mask = this.capacity - 1;
    for (let i = 0; i < count; i++) {
      const entry = (first + i) & mask;
      if (this.#words[entry * packetWords + SAID] === 0) continue;
      said?.copy(i, this.#said, entry);
      this.#saying--;
    }
  }

  #look(): void {
    let moving = this.#moving;
    const words = this.#words;
    const mask = this.capacity - 1;
    while (moving !== this.#next && words[(moving & mask) * packetWords + ARRIVED] === 1)
      moving = numberAfter(moving);
    this.#moving = moving;
  }
}
