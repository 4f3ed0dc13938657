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

/**
 * Which port an address was heard on last, in each VLAN (IEEE 802.1Q, 8.8). A hash table of buckets with four places: what is
 * learned displaces the entry of its bucket that was heard longest ago, so nothing ever grows, moves or is searched for. Buckets
 * are chosen with a number nobody outside knows, and one port holds a part of the table at most: a station that invents addresses
 * displaces its own. A tick is a time of any clock, as an integer.
 */
export class MacTable {
  /** Ticks; may be changed. */
  ageing: number;
  readonly #perPort: number;
  readonly #buckets: number;
  readonly #seed = randomInt(0x7fff_ffff);
  /** The last four bytes of the address. */
  readonly #low: Int32Array;
  /** VLAN and the first two bytes. */
  readonly #high: Int32Array;
  /** -1: nobody. */
  readonly #port: Int32Array;
  readonly #heard: Int32Array;
  /** Entries by port. */
  #count = new Int32Array(64);

  constructor({ capacity = 8192, ageing = 3000, perPort = 1024 }: MacTableOptions = {}) {
    this.ageing = ageing;
    this.#perPort = perPort;
    this.#buckets = Math.max(1, capacity / ways);
    const places = this.#buckets * ways;
    this.#low = new Int32Array(places);
    this.#high = new Int32Array(places);
    this.#port = new Int32Array(places).fill(-1);
    this.#heard = new Int32Array(places);
  }

  /** Notes that an address was heard on a port. @param high VLAN << 16 and the first two bytes @param low the other four, signed */
  learn(high: number, low: number, port: number, now: number): void {
    const first = this.#bucket(high, low);
    let oldest = first;
    let own = -1;
    for (let at = first; at < first + ways; at++) {
      const holder = this.#port[at];
      if (holder !== -1 && this.#low[at] === low && this.#high[at] === high) {
        this.#heard[at] = now;
        if (holder !== port) this.#give(at, port);
        return;
      }
      if (holder === port && (own === -1 || this.#heard[at] < this.#heard[own])) own = at;
      if (this.#port[oldest] === -1) continue;
      if (holder === -1 || this.#heard[at] < this.#heard[oldest]) oldest = at;
    }
    let place = oldest;
    if (this.#counted(port) >= this.#perPort) {
      if (own === -1) return;
      place = own;
    }
    this.#low[place] = low;
    this.#high[place] = high;
    this.#heard[place] = now;
    this.#give(place, port);
  }

  /** @returns the port; -1: nobody has heard of it, or not for the ageing time */
  lookup(high: number, low: number, now: number): number {
    const first = this.#bucket(high, low);
    for (let at = first; at < first + ways; at++) {
      if (this.#low[at] !== low || this.#high[at] !== high || this.#port[at] === -1) continue;
      return now - this.#heard[at] <= this.ageing ? this.#port[at] : -1;
    }
    return -1;
  }

  /** Forgets what was heard on a port, or all of it. @returns how many addresses */
  forget(port?: number): number {
    // Ports come and go, and most of them were heard with few addresses: none is looked for once all are found.
    const all = port === undefined ? this.size : this.#counted(port);
    let forgotten = 0;
    for (let at = 0; forgotten < all && at < this.#port.length; at++) {
      if (this.#port[at] === -1 || (port !== undefined && this.#port[at] !== port)) continue;
      this.#give(at, -1);
      forgotten++;
    }
    return forgotten;
  }

  /** Forgets what is older than the ageing time, so that a port's share is free again. */
  sweep(now: number): void {
    for (let at = 0; at < this.#port.length; at++) {
      if (this.#port[at] !== -1 && now - this.#heard[at] > this.ageing) this.#give(at, -1);
    }
  }

  /** All that is known and not too old. */
  entries(now: number): MacEntry[] {
    const all: MacEntry[] = [];
    for (let at = 0; at < this.#port.length; at++) {
      const age = now - this.#heard[at];
      if (this.#port[at] === -1 || age > this.ageing) continue;
      const high = this.#high[at];
      const bytes = Uint8Array.of(
        high >>> 8,
        high,
        ...[24, 16, 8, 0].map((shift) => this.#low[at] >>> shift),
      );
      all.push({
        mac: macFromBytes(bytes),
        vlan: high >>> 16,
        port: this.#port[at],
        age,
      });
    }
    return all;
  }

  /** Addresses in the table, old ones included. */
  get size(): number {
    return this.#count.reduce((sum, count) => sum + count, 0);
  }

  #bucket(high: number, low: number): number {
    let hash = Math.imul(low ^ this.#seed, 0x85eb_ca6b) ^ Math.imul(high + this.#seed, 0xc2b2_ae35);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d);
    return ((hash ^ (hash >>> 13)) & (this.#buckets - 1)) * ways;
  }

  #give(at: number, port: number): void {
    const before = this.#port[at];
    if (before !== -1) this.#count[before]--;
    this.#port[at] = port;
    if (port === -1) return;
    this.#counted(port);
    this.#count[port]++;
  }

  #counted(port: number): number {
    if (port >= this.#count.length) {
      const more = new Int32Array(Math.max(2 * this.#count.length, port + 1));
      more.set(this.#count);
      this.#count = more;
    }
    return this.#count[port];
  }
}
