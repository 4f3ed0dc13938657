/**
 * A reusable burst of the simplest and most frequent chains: one direct descriptor each, all of one direction and in
 * one window of the driver's memory. Parallel arrays of `capacity` entries.
 */
export class SingleBurst {
  /** Chains in the burst. */
  count = 0;
  /** Chains it has room for. */
  readonly capacity: number;
  /** What a kernel that fills it calls it; -1: nothing. */
  slot = -1;
  /** Window of the memory map that all of them lie in. */
  window = 0;
  /** True: the device writes them. */
  writable = false;
  /** Bytes in front of the data that `offset` and `length` leave out. */
  prefix = 0;
  /** True when the last fetch stopped at a chain that is not of this kind: it is for `DeviceQueue.fetch`. */
  blocked = false;
  /** Split: head descriptor index; packed: buffer id. */
  readonly id: Int32Array;
  /** Byte offset in the window, behind the prefix. */
  readonly offset: Int32Array;
  /** Bytes behind the prefix. */
  readonly length: Int32Array;
  /** What the device wrote, in bytes, prefix included; the user of the burst fills it before `completeSingles`. */
  readonly written: Int32Array;

  constructor(capacity = 64) {
    this.capacity = capacity;
    this.id = new Int32Array(capacity);
    this.offset = new Int32Array(capacity);
    this.length = new Int32Array(capacity);
    this.written = new Int32Array(capacity);
  }
}

/** Which chains `DeviceQueue.fetchSingles` takes. */
export interface SingleKind {
  /** True: the device writes them (a driver's receive queue). */
  readonly writable: boolean;
  /** Bytes in front of the data that `offset` and `length` leave out (a header). */
  readonly prefix: number;
}
