import { PacketBurst } from '@vio/net';
import { EventWatcher } from '@vio/native/internal';
import type { BufferPool } from '@vio/rings';
import type { Polled, Rounds } from '../fabric/rounds.ts';
import { type TrunkMemory, slot, slotWords, slotsAt, trunkSlots, trunkWord } from './trunk-memory.ts';

const burstCapacity = 32;
/** Packets of one turn. */
const packetsPerPoll = 64;

/** Who gets what has come by a trunk. The burst is the caller's again when it returns. */
export interface TrunkSink {
  /** @param bridge its number */
  forward(bridge: number, burst: PacketBurst, now: number): void;
  /** Copies of packets, for a port that mirrors those of a bridge. */
  copies(bridge: number, port: number, burst: PacketBurst): void;
}

/** Receives from another thread: packets are forwarded from where they are, and their buffers go back in the order they came. */
export class TrunkReceiver implements Polled {
  idle = -1;
  readonly #words: Int32Array;
  readonly #pool: BufferPool;
  readonly #burst = new PacketBurst(burstCapacity, { offloads: true });
  readonly #sink: TrunkSink;
  readonly #watcher: EventWatcher;
  #consumed = 0;
  /** Of the burst in hand. */
  #bridge = 0;
  #port = -1;

  constructor(trunk: TrunkMemory, rounds: Rounds, sink: TrunkSink) {
    this.#words = trunk.region.i32;
    this.#pool = trunk.pool();
    this.#burst.pool = this.#pool;
    this.#sink = sink;
    this.#watcher = new EventWatcher(trunk.event, () => rounds.wake(this));
    rounds.wake(this);
  }

  poll(now: number): number {
    let packets = 0;
    while (packets < packetsPerPoll) {
      const count = this.#take();
      if (count === 0) break;
      packets += count;
      if (this.#port === -1) this.#sink.forward(this.#bridge, this.#burst, now);
      else this.#sink.copies(this.#bridge, this.#port, this.#burst);
      Atomics.store(this.#words, trunkWord.consumed, this.#consumed);
    }
    return packets;
  }

  sleep(): boolean {
    Atomics.store(this.#words, trunkWord.sleeps, 1);
    if (Atomics.load(this.#words, trunkWord.produced) === this.#consumed) return false;
    Atomics.store(this.#words, trunkWord.sleeps, 0);
    return true;
  }

  /** Nothing wakes it any more. */
  close(): void {
    this.#watcher.close();
  }

  /** Fills the burst with packets that go to one place. @returns how many */
  #take(): number {
    const words = this.#words;
    const burst = this.#burst;
    const produced = Atomics.load(words, trunkWord.produced);
    burst.count = 0;
    while (burst.count < burst.capacity && this.#consumed !== produced) {
      const first = slotsAt + (this.#consumed & (trunkSlots - 1)) * slotWords;
      const bridge = words[first + slot.segments] >>> 16;
      const port = (words[first + slot.target] >>> 16) - 1;
      if (burst.count === 0) {
        this.#bridge = bridge;
        this.#port = port;
      } else if (bridge !== this.#bridge || port !== this.#port) break;
      this.#describe(first);
    }
    return burst.count;
  }

  #describe(first: number): void {
    const words = this.#words;
    const pool = this.#pool;
    const burst = this.#burst;
    const i = burst.count++;
    const segments = words[first + slot.segments] & 0xffff;
    burst.buffer[i] = words[first + slot.buffer];
    burst.offset[i] = words[first + slot.offset];
    burst.length[i] = words[first + slot.length];
    burst.segments[i] = segments;
    const { offloads } = burst;
    if (offloads !== undefined) {
      const header = words[first + slot.header];
      offloads.flags[i] = header & 0xff;
      offloads.gsoType[i] = (header >>> 8) & 0xff;
      offloads.headerLength[i] = header >>> 16;
      offloads.segmentSize[i] = words[first + slot.sizes] & 0xffff;
      offloads.checksumStart[i] = words[first + slot.sizes] >>> 16;
      offloads.checksumOffset[i] = words[first + slot.target] & 0xffff;
    }
    let previous = -1;
    for (let segment = 0; segment < segments; segment++) {
      const at = slotsAt + (this.#consumed & (trunkSlots - 1)) * slotWords;
      const b = words[at + slot.buffer];
      pool.dataOffset[b] = words[at + slot.offset];
      pool.dataLength[b] = words[at + slot.bytes];
      pool.next[b] = -1;
      if (previous !== -1) pool.next[previous] = b;
      previous = b;
      this.#consumed = (this.#consumed + 1) | 0;
    }
  }
}
