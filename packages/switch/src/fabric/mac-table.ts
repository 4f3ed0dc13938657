import { randomInt } from 'node:crypto';
import { macFromBytes } from '@vio/net/internal';

/** Entries of a bucket. */
const ways = 4;

/** A learned address, for a person. */
export interface MacEntry {
  /** As in `02:00:00:00:00:01`. */
  readonly mac: string;
  /** The VLAN it was heard in. */
  readonly vlan: number;
  /** Number of the port. */
  readonly port: number;
  /** Ticks since it was heard last. */
  readonly age: number;
}

export interface MacTableOptions {
  /** Addresses at most, a power of two. Default 8192. */
  readonly capacity?: number;
  /** Ticks after which an address that was not heard again is forgotten. Default 3000. */
  readonly ageing?: number;
  /** Addresses at most behind one port. Default 1024. */
  readonly perPort?: number;
}

/** Ports of a switch at most: their numbers are smaller. */
export const mostPorts = 4096;

/** Of an entry: the number of the port. The bits above are the address's, see below. */
const portMask = 0x1fff;
/** An entry that has nothing. */
const nobody = -1;
/** A bucket that no thread changes. */
const free = 0;
/** How often somebody asks for a bucket before an address stays unlearned: far longer than a change takes. */
const patience = 100;

/** Words in front of the tables. */
const word = { ageing: 0, perPort: 1, buckets: 2, seed: 3 };
const headWords = 16;

/**
 * Which port an address was heard on last, in each VLAN (IEEE 802.1Q, 8.8). A hash table of buckets with four places: what is
 * learned displaces the entry of its bucket that was heard longest ago, so nothing ever grows, moves or is searched for. Buckets
 * are chosen with a number nobody outside knows, and one port holds a part of the table at most: a station that invents addresses
 * displaces its own. A tick is a time of any clock, as an integer.
 *
 * Threads share one table: what one has learned or forgotten, all know. Whoever learns an address has its bucket for a moment, by the
 * number of its thread. Nobody waits long for one: what cannot be learned is flooded, and learned from the next frame. So a thread that
 * ends or stands still in the midst of it keeps four places from the others and nothing else, until `release`. Who looks an address
 * up, or forgets it, needs no bucket: an entry names its port together with bits of its address's hash, in one word, so half of a
 * change is taken for no entry at all.
 */
export class MacTable {
  /** All of it, for another thread. */
  readonly memory: SharedArrayBuffer;
  readonly #head: Int32Array;
  readonly #perPort: number;
  readonly #buckets: number;
  readonly #seed: number;
  /** The last four bytes of the address. */
  readonly #low: Int32Array;
  /** VLAN and the first two bytes. */
  readonly #high: Int32Array;
  /** Port, and bits of the hash. */
  readonly #entry: Int32Array;
  readonly #heard: Int32Array;
  /** Entries by port, at least: a thread that has ended may have left one too many. */
  readonly #count: Int32Array;
  /** By bucket: the thread that changes it. */
  readonly #holder: Int32Array;
  /** This thread, as a holder. */
  readonly #self: number;

  /**
   * @param memory of a table that is there already; default: a new one
   * @param thread number of the one that uses this object
   */
  constructor(options: MacTableOptions = {}, memory = newMemory(options), thread = 0) {
    this.memory = memory;
    this.#self = holderOf(thread);
    this.#head = new Int32Array(memory, 0, headWords);
    this.#perPort = this.#head[word.perPort];
    this.#buckets = this.#head[word.buckets];
    this.#seed = this.#head[word.seed];
    const places = this.#buckets * ways;
    const part = (at: number, words: number): Int32Array => new Int32Array(memory, 4 * at, words);
    this.#low = part(headWords, places);
    this.#high = part(headWords + places, places);
    this.#entry = part(headWords + 2 * places, places);
    this.#heard = part(headWords + 3 * places, places);
    this.#count = part(headWords + 4 * places, mostPorts);
    this.#holder = part(headWords + 4 * places + mostPorts, this.#buckets);
  }

  /** The table of another thread. @param thread number of the one that uses this object */
  static of(memory: SharedArrayBuffer, thread: number): MacTable {
    return new MacTable({}, memory, thread);
  }

  /** Ticks after which an address is forgotten; may be changed. */
  get ageing(): number {
    return this.#head[word.ageing];
  }

  set ageing(ticks: number) {
    this.#head[word.ageing] = ticks;
  }

  /**
   * Notes that an address was heard on a port.
   * @param high VLAN << 16 and the first two bytes @param low the other four, signed
   * @returns false: it is not learned, because the port has its share of addresses, or another thread changes the bucket
   */
  learn(high: number, low: number, port: number, now: number): boolean {
    const hash = this.#hash(high, low);
    const bucket = hash & (this.#buckets - 1);
    const first = bucket * ways;
    const entry = (hash & ~portMask) | port;
    for (let at = first; at < first + ways; at++) {
      if (this.#entry[at] !== entry || this.#low[at] !== low || this.#high[at] !== high) continue;
      // Most are heard several times in a tick, and other threads read this.
      if (this.#heard[at] !== now) this.#heard[at] = now;
      return true;
    }
    if (!this.#take(bucket)) {
      this.#forgetAddress(first, high, low, hash);
      return false;
    }
    const place = this.#placeFor(first, high, low, port);
    if (place !== -1) {
      this.#give(place, nobody);
      this.#low[place] = low;
      this.#high[place] = high;
      this.#heard[place] = now;
      this.#give(place, entry);
    }
    Atomics.store(this.#holder, bucket, free);
    return place !== -1;
  }

  /** @returns the port; -1: nobody has heard of it, or not for the ageing time */
  lookup(high: number, low: number, now: number): number {
    const hash = this.#hash(high, low);
    const first = (hash & (this.#buckets - 1)) * ways;
    for (let at = first; at < first + ways; at++) {
      const entry = this.#entry[at];
      if (this.#low[at] !== low || this.#high[at] !== high || entry === nobody) continue;
      if (((entry ^ hash) & ~portMask) !== 0) continue;
      return now - this.#heard[at] <= this.#head[word.ageing] ? entry & portMask : -1;
    }
    return -1;
  }

  /** Forgets what was heard on a port, or all of it. @returns how many addresses */
  forget(port?: number): number {
    // Ports come and go, and most of them were heard with few addresses: none is looked for once all are found.
    const all = port === undefined ? this.size : this.#count[port];
    let forgotten = 0;
    for (let at = 0; forgotten < all && at < this.#entry.length; at++) {
      const entry = this.#entry[at];
      if (entry === nobody || (port !== undefined && (entry & portMask) !== port)) continue;
      if (this.#drop(at, entry)) forgotten++;
    }
    return forgotten;
  }

  /** Forgets what is older than the ageing time, so that a port's share is free again. */
  sweep(now: number): void {
    for (let at = 0; at < this.#entry.length; at++) {
      const entry = this.#entry[at];
      if (entry !== nobody && now - this.#heard[at] > this.ageing) this.#drop(at, entry);
    }
  }

  /** Frees what a thread held that runs no more, and forgets what was in it. @returns how many buckets */
  release(thread: number): number {
    const holder = holderOf(thread);
    let freed = 0;
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      if (Atomics.load(this.#holder, bucket) !== holder) continue;
      for (let at = bucket * ways; at < (bucket + 1) * ways; at++) {
        const entry = this.#entry[at];
        if (entry !== nobody) this.#drop(at, entry);
      }
      Atomics.store(this.#holder, bucket, free);
      freed++;
    }
    return freed;
  }

  /** All that is known and not too old. */
  entries(now: number): MacEntry[] {
    const all: MacEntry[] = [];
    for (let at = 0; at < this.#entry.length; at++) {
      const port = this.#portAt(at);
      const age = now - this.#heard[at];
      if (port === -1 || age > this.ageing) continue;
      const high = this.#high[at];
      const bytes = Uint8Array.of(
        high >>> 8,
        high,
        ...[24, 16, 8, 0].map((shift) => this.#low[at] >>> shift),
      );
      all.push({ mac: macFromBytes(bytes), vlan: high >>> 16, port, age });
    }
    return all;
  }

  /** How many entries there are: addresses in the table, old ones included. */
  get size(): number {
    return this.#count.reduce((sum, count) => sum + count, 0);
  }

  /** The place that an address has, or gets; -1: the port has its share of others already. */
  #placeFor(first: number, high: number, low: number, port: number): number {
    let oldest = first;
    let own = -1;
    for (let at = first; at < first + ways; at++) {
      const holder = this.#portAt(at);
      if (holder !== -1 && this.#low[at] === low && this.#high[at] === high) return at;
      if (holder === port && (own === -1 || this.#heard[at] < this.#heard[own])) own = at;
      if (this.#entry[oldest] === nobody) continue;
      if (holder === -1 || this.#heard[at] < this.#heard[oldest]) oldest = at;
    }
    return this.#count[port] >= this.#perPort ? own : oldest;
  }

  /** @returns -1: nobody */
  #portAt(at: number): number {
    const entry = this.#entry[at];
    return entry === nobody ? -1 : entry & portMask;
  }

  /** A bucket, to change it. @returns false: another thread has it */
  #take(bucket: number): boolean {
    for (let tries = 0; tries < patience; tries++) {
      if (Atomics.compareExchange(this.#holder, bucket, free, this.#self) === free) return true;
    }
    return false;
  }

  /** For an address that has moved, and cannot be learned where it is now: nobody knows is better than what was. */
  #forgetAddress(first: number, high: number, low: number, hash: number): void {
    for (let at = first; at < first + ways; at++) {
      const entry = this.#entry[at];
      if (entry === nobody || this.#low[at] !== low || this.#high[at] !== high) continue;
      if (((entry ^ hash) & ~portMask) === 0) this.#drop(at, entry);
    }
  }

  /** Empties a place, if that entry is there still. */
  #drop(at: number, entry: number): boolean {
    const dropped = Atomics.compareExchange(this.#entry, at, entry, nobody) === entry;
    if (dropped) Atomics.sub(this.#count, entry & portMask, 1);
    return dropped;
  }

  #give(at: number, entry: number): void {
    // Counted before it is there, and until it is gone: whatever a port has is found again when it has to go.
    if (entry !== nobody) Atomics.add(this.#count, entry & portMask, 1);
    const before = Atomics.exchange(this.#entry, at, entry);
    if (before !== nobody) Atomics.sub(this.#count, before & portMask, 1);
  }

  #hash(high: number, low: number): number {
    let hash = Math.imul(low ^ this.#seed, 0x85eb_ca6b) ^ Math.imul(high + this.#seed, 0xc2b2_ae35);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d);
    return hash ^ (hash >>> 13);
  }
}

/** A thread, as buckets name it. */
function holderOf(thread: number): number {
  return thread + 1;
}

function newMemory({ capacity = 8192, ageing = 3000, perPort = 1024 }: MacTableOptions): SharedArrayBuffer {
  const buckets = Math.max(1, capacity / ways);
  const places = buckets * ways;
  const memory = new SharedArrayBuffer(4 * (headWords + 4 * places + mostPorts + buckets));
  const head = new Int32Array(memory, 0, headWords);
  head[word.ageing] = ageing;
  head[word.perPort] = perPort;
  head[word.buckets] = buckets;
  head[word.seed] = randomInt(0x7fff_ffff);
  new Int32Array(memory, 4 * (headWords + 2 * places), places).fill(nobody);
  return memory;
}
