import type { MemoryMap } from './memory-map.ts';

/** Bytes of the smallest piece that is translated as one: what is asked for at once. */
export const translationPage = 4096;

/** What a translation allows the device: to read. */
export const mayRead = 1;
/** What a translation allows the device: to write. */
export const mayWrite = 2;

/** How a queue finds the driver's memory at an I/O virtual address. Results of `locate` are fields: no object per buffer. */
export interface Translation {
  /** The window of the memory map in which the address lies, after `locate`. */
  readonly window: number;
  /** Byte offset of the address in that window. */
  readonly offset: number;
  /** The first address of the piece in which it lies. */
  readonly start: number;
  /** Byte offset of that one in the window. */
  readonly startOffset: number;
  /** Bytes of the piece, below 2^31. */
  readonly size: number;
  /** What is allowed there, as `mayRead` and `mayWrite`. */
  readonly access: number;
  /** Grows with everything that is learnt and forgotten. */
  readonly changes: number;
  /**
   * @param bytes that are wanted from the address on
   * @returns how many of them are in one piece, at least 1; 0: there is no memory for the device; -1: that is not known, and asked for
   */
  locate(address: number, bytes: number, writable: boolean): number;
}

/** Asks for the translation of a page. @returns false: it was asked for before, and there is none */
export type AskForPage = (page: number, writable: boolean) => boolean;

/**
 * What is known of an I/O MMU: ranges of I/O virtual addresses, where they lie in the frontend's addresses, and what the device may
 * do there. Ascending, without overlaps, bounded: one more takes the place of another, which is asked for again when it is needed.
 * It is composed with the windows of the driver's memory at every look, so that neither changes the other.
 */
export class Iotlb implements Translation {
  /** As in `Translation`, after `locate`. */
  window = 0;
  /** As in `Translation`, after `locate`. */
  offset = 0;
  /** As in `Translation`, after `locate`. */
  start = 0;
  /** As in `Translation`, after `locate`. */
  startOffset = 0;
  /** Bytes; as in `Translation`, after `locate`. */
  size = 0;
  /** As in `Translation`, after `locate`. */
  access = 0;
  /** As in `Translation`. */
  changes = 0;
  readonly #ask: AskForPage;
  readonly #from: Float64Array;
  readonly #end: Float64Array;
  readonly #user: Float64Array;
  readonly #access: Uint8Array;
  #count = 0;
  /** The range that was found last. */
  #last = 0;
  /** The next one to give way, by a walk that meets all of them. */
  #victim = 0;
  /** Windows of the driver's memory by their frontend addresses, ascending. */
  #userBase = new Float64Array(0);
  #userWindow = new Int32Array(0);
  #bytes = new Int32Array(0);

  /** @param capacity ranges that are kept, as many as DPDK keeps */
  constructor(ask: AskForPage, capacity = 2048) {
    this.#ask = ask;
    this.#from = new Float64Array(capacity);
    this.#end = new Float64Array(capacity);
    this.#user = new Float64Array(capacity);
    this.#access = new Uint8Array(capacity);
  }

  /** Ranges that are known. */
  get count(): number {
    return this.#count;
  }

  /** The driver's memory is this from now on. */
  setMemory(map: MemoryMap): void {
    const order = Array.from(map.windows, (_, i) => i).toSorted(
      (a, b) => map.windows[a].userAddress - map.windows[b].userAddress,
    );
    this.#userBase = Float64Array.from(order, (i) => map.windows[i].userAddress);
    this.#userWindow = Int32Array.from(order);
    this.#bytes = Int32Array.from(order, (i) => map.size[i]);
  }

  /** True for a frontend's address that is in the driver's memory. */
  hasMemory(user: number): boolean {
    return this.#windowOf(user) >= 0;
  }

  /** Adds a range; what it overlaps is forgotten. @param end the address behind it */
  insert(from: number, end: number, user: number, access: number): void {
    this.remove(from, end);
    this.changes++;
    if (this.#count === this.#from.length) {
      // A step that has no factor in common with the capacity leaves neighbours alone.
      this.#victim = (this.#victim + 769) % this.#count;
      this.#drop(this.#victim, this.#victim + 1);
    }
    const at = this.#firstBehind(from);
    const count = this.#count++;
    this.#from.copyWithin(at + 1, at, count);
    this.#end.copyWithin(at + 1, at, count);
    this.#user.copyWithin(at + 1, at, count);
    this.#access.copyWithin(at + 1, at, count);
    this.#from[at] = from;
    this.#end[at] = end;
    this.#user[at] = user;
    this.#access[at] = access;
  }

  /** Forgets all ranges that overlap this one, as a whole. @returns whether there were any */
  remove(from: number, end: number): boolean {
    let first = this.#firstBehind(from);
    if (first > 0 && this.#end[first - 1] > from) first--;
    let behind = first;
    while (behind < this.#count && this.#from[behind] < end) behind++;
    this.changes++;
    this.#drop(first, behind);
    return behind > first;
  }

  /** Forgets everything. */
  clear(): void {
    this.changes++;
    this.#count = 0;
  }

  locate(address: number, bytes: number, writable: boolean): number {
    const range = this.#find(address);
    if (range < 0 || (this.#access[range] & (writable ? mayWrite : mayRead)) === 0)
      return this.#ask(address - (address % translationPage), writable) ? -1 : 0;
    const into = address - this.#from[range];
    const user = this.#user[range] + into;
    const found = this.#windowOf(user);
    if (found < 0) return 0;
    const offset = user - this.#userBase[found];
    // As much of the range as the window has, on both sides of the address.
    const before = into < offset ? into : offset;
    const room = this.#bytes[found] - offset;
    const left = this.#end[range] - address;
    const behind = room < left ? room : left;
    this.window = this.#userWindow[found];
    this.offset = offset;
    this.start = address - before;
    this.startOffset = offset - before;
    this.size = before + behind;
    this.access = this.#access[range];
    return behind < bytes ? behind : bytes;
  }

  /**
   * Looks at a part of a ring. Control plane.
   * @returns the frontend's address of its first byte; 'unknown': not all is known, and what is missing was asked for; 'none': there is
   *   no memory; 'scattered': there is, but not in one piece
   */
  place(address: number, bytes: number, writable: boolean): number | 'unknown' | 'none' | 'scattered' {
    let known = true;
    let together = true;
    let first = -1;
    for (let at = address; at < address + bytes;) {
      const there = this.locate(at, address + bytes - at, writable);
      if (there === 0) return 'none';
      if (there < 0) {
        known = false;
        at += translationPage - (at % translationPage);
        continue;
      }
      const range = this.#find(at);
      const user = this.#user[range] + (at - this.#from[range]);
      if (first === -1) first = user - (at - address);
      together &&= user - (at - address) === first;
      at += there;
    }
    if (!known) return 'unknown';
    return together ? first : 'scattered';
  }

  /** The frontend's address of what is known to lie in one piece; undefined: not all of it is. Asks for nothing. */
  userAt(address: number, bytes: number): number | undefined {
    let first: number | undefined;
    for (let at = address; at < address + bytes;) {
      const range = this.#find(at);
      if (range < 0) return undefined;
      const user = this.#user[range] + (address - this.#from[range]);
      if (user !== (first ??= user)) return undefined;
      at = this.#end[range];
    }
    return first;
  }

  /** A range that holds an address; -1: none does. */
  #find(address: number): number {
    const last = this.#last;
    if (last < this.#count && address >= this.#from[last] && address < this.#end[last]) return last;
    const range = this.#firstBehind(address) - 1;
    if (range < 0 || address >= this.#end[range]) return -1;
    return (this.#last = range);
  }

  /** The first range that begins behind an address. */
  #firstBehind(address: number): number {
    const from = this.#from;
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (from[middle] <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #windowOf(user: number): number {
    const base = this.#userBase;
    let low = 0;
    let high = base.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (base[middle] <= user) low = middle + 1;
      else high = middle;
    }
    const found = low - 1;
    return found >= 0 && user - base[found] < this.#bytes[found] ? found : -1;
  }

  #drop(first: number, behind: number): void {
    if (behind === first) return;
    this.#from.copyWithin(first, behind, this.#count);
    this.#end.copyWithin(first, behind, this.#count);
    this.#user.copyWithin(first, behind, this.#count);
    this.#access.copyWithin(first, behind, this.#count);
    this.#count -= behind - first;
  }
}
