import type { EventFd } from '@vio/native';
import { PacketBurst } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import { PoolCopiers } from '../fabric/pool-copiers.ts';
import { type TrunkMemory, slot, slotWords, slotsAt, trunkSlots, trunkWord } from './trunk-memory.ts';

const burstCapacity = 64;

/** Where packets go at the other end of a trunk. */
export interface TrunkTarget {
  /** Number of the bridge. */
  readonly bridge: number;
  /** The port that gets them as they are; undefined: the bridge forwards them. */
  readonly port?: number;
}

/**
 * Sends packets to another thread: each is copied once, into memory of the trunk, with what its sender leaves to others. It is there
 * until the other thread is done with it. What there is no room for is lost, as at a port whose ring is full.
 */
export class TrunkSender {
  readonly #words: Int32Array;
  readonly #event: EventFd;
  readonly #pool: BufferPool;
  readonly #out = new PacketBurst(burstCapacity, { offloads: true });
  readonly #copiers: PoolCopiers;
  /** The buffer in each slot: what the memory says of it may have been written over. */
  readonly #given = new Int32Array(trunkSlots);
  #produced = 0;
  #returned = 0;

  constructor(trunk: TrunkMemory) {
    this.#words = trunk.region.i32;
    this.#event = trunk.event;
    this.#pool = trunk.pool();
    this.#copiers = new PoolCopiers(this.#pool);
  }

  /** Sends packets of a burst; they stay the caller's. @returns how many there was no room for */
  send({ bridge, port = -1 }: TrunkTarget, burst: PacketBurst, from: number, count: number): number {
    if (burst.pool === undefined) return count;
    const copier = this.#copiers.of(burst.pool);
    const out = this.#out;
    const all = burst.count;
    const end = from + count;
    burst.count = end;
    this.#reap();
    let first = from;
    while (first < end) {
      out.count = 0;
      const copied = copier.copy(burst, out, first);
      if (copied === 0 && this.#reap() === 0) break;
      for (let i = 0; i < copied; i++) this.#put(i, bridge, port);
      first += copied;
    }
    burst.count = all;
    if (first > from) this.#publish();
    return end - first;
  }

  /** @returns how many buffers have come back */
  #reap(): number {
    const consumed = Atomics.load(this.#words, trunkWord.consumed);
    const back = (consumed - this.#returned) | 0;
    for (let left = back; left > 0;) {
      const at = (consumed - left) & (trunkSlots - 1);
      const run = Math.min(left, trunkSlots - at);
      this.#pool.release(this.#given, at, run);
      left -= run;
    }
    this.#returned = consumed;
    return back;
  }

  /** Says where a copy is: a slot for each of its buffers. There is one for every buffer of the pool. */
  #put(i: number, bridge: number, port: number): void {
    const words = this.#words;
    const pool = this.#pool;
    const out = this.#out;
    const segments = out.segments[i];
    const first = slotsAt + (this.#produced & (trunkSlots - 1)) * slotWords;
    words[first + slot.segments] = segments | (bridge << 16);
    words[first + slot.length] = out.length[i];
    words[first + slot.target] = (port + 1) << 16;
    const { offloads } = out;
    if (offloads !== undefined) {
      words[first + slot.header] =
        offloads.flags[i] | (offloads.gsoType[i] << 8) | (offloads.headerLength[i] << 16);
      words[first + slot.sizes] = offloads.segmentSize[i] | (offloads.checksumStart[i] << 16);
      words[first + slot.target] |= offloads.checksumOffset[i];
    }
    let b = out.buffer[i];
    for (let segment = 0; segment < segments; segment++) {
      const place = this.#produced & (trunkSlots - 1);
      const at = slotsAt + place * slotWords;
      words[at + slot.buffer] = b;
      words[at + slot.offset] = pool.dataOffset[b];
      words[at + slot.bytes] = pool.dataLength[b];
      this.#given[place] = b;
      this.#produced = (this.#produced + 1) | 0;
      const next = pool.next[b];
      pool.next[b] = -1;
      b = next;
    }
  }

  #publish(): void {
    Atomics.store(this.#words, trunkWord.produced, this.#produced);
    // Either this sees that the other side sleeps, or that one has seen what was stored before.
    if (Atomics.load(this.#words, trunkWord.sleeps) === 0) return;
    if (Atomics.exchange(this.#words, trunkWord.sleeps, 0) === 1) this.#event.signal();
  }
}
