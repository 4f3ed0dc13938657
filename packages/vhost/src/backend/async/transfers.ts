import { numberMask } from '@vio/native/internal';
import { plainHeaderStride } from './plain-headers.ts';

/** int32 numbers per copy: source memory, source offset, destination memory, destination offset, bytes. */
const copyWords = 5;
/** int32 numbers per descriptor: its first copy, and how many it has. */
const descriptorWords = 2;
const none = new Int32Array(0);

/** Copies between two memories, of packets one after the other: entries of arrays, from 0 on. */
export class CopyRun {
  /** How many each packet has. */
  counts: Int32Array = none;
  /** How many all of them have. */
  copies = 0;
  source = -1;
  /** Where they begin there, and how long they are, in bytes. */
  from: Int32Array = none;
  bytes: Int32Array = none;
  destination = -1;
  to: Int32Array = none;
  /** The memory of `plainHeaders`: each packet's comes in front of it, and says how many copies it has; -1: none does. */
  headers = -1;
  headerBytes = 0;

  /** Copies to be noted for so many packets, which are all. */
  notes(count: number): number {
    return this.headers < 0 ? this.copies : this.copies + count;
  }
}

/**
 * The rings in which the library describes transfers to an engine: a descriptor is all the copies of one packet. Descriptors and
 * copies are named by numbers that run freely (modulo 2^30), so that none is mistaken for an earlier one in its place. What was
 * submitted stays as it is until it is completed.
 */
export class Transfers {
  /** Descriptors there is room for, a power of two. */
  readonly capacity: number;
  /** Copies there is room for, a power of two. */
  readonly copyCapacity: number;
  /** Entry `number % capacity`: first copy, number of copies. */
  readonly descriptors: Int32Array;
  /** Entry `number % copyCapacity`: source memory, source offset, destination memory, destination offset, bytes. */
  readonly copies: Int32Array;

  /** @param capacity descriptors, a power of two; there is room for four copies each */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.copyCapacity = 4 * capacity;
    this.descriptors = new Int32Array(capacity * descriptorWords);
    this.copies = new Int32Array(this.copyCapacity * copyWords);
  }

  /** The number of the first copy of a descriptor. */
  firstCopy(descriptor: number): number {
    return this.descriptors[this.#descriptorAt(descriptor)];
  }

  /** Copies of a descriptor: those from `firstCopy` on. */
  copyCount(descriptor: number): number {
    return this.descriptors[this.#descriptorAt(descriptor) + 1];
  }

  /** The memory that a copy reads, as it was made known to the engine. */
  source(copy: number): number {
    return this.copies[this.#copyAt(copy)];
  }

  /** Where in it, in bytes. */
  sourceOffset(copy: number): number {
    return this.copies[this.#copyAt(copy) + 1];
  }

  /** The memory that a copy writes. */
  destination(copy: number): number {
    return this.copies[this.#copyAt(copy) + 2];
  }

  /** Where in it, in bytes. */
  destinationOffset(copy: number): number {
    return this.copies[this.#copyAt(copy) + 3];
  }

  /** Bytes of a copy. */
  length(copy: number): number {
    return this.copies[this.#copyAt(copy) + 4];
  }

  /** Writes a descriptor. @internal For `DmaChannel`. */
  describe(descriptor: number, firstCopy: number, copyCount: number): void {
    const at = this.#descriptorAt(descriptor);
    this.descriptors[at] = firstCopy;
    this.descriptors[at + 1] = copyCount;
  }

  /** Writes a copy. @internal For `DmaChannel`. */
  note(copy: number, source: number, from: number, destination: number, to: number, bytes: number): void {
    const { copies } = this;
    const at = this.#copyAt(copy);
    copies[at] = source;
    copies[at + 1] = from;
    copies[at + 2] = destination;
    copies[at + 3] = to;
    copies[at + 4] = bytes;
  }

  /**
   * Writes the descriptors of `count` packets, and their copies: those from `descriptor` and `copy` on.
   * @internal For `DmaChannel`.
   */
  noteRun(descriptor: number, copy: number, run: CopyRun, count: number): void {
    const { descriptors, copies } = this;
    const { counts, source, from, bytes, destination, to, headers, headerBytes } = run;
    const mask = this.capacity - 1;
    const copyMask = this.copyCapacity - 1;
    const headed = headers < 0 ? 0 : 1;
    let next = copy;
    let c = 0;
    for (let i = 0; i < count; i++) {
      const descriptorAt = ((descriptor + i) & mask) * descriptorWords;
      const own = counts[i];
      descriptors[descriptorAt] = next & numberMask;
      descriptors[descriptorAt + 1] = own + headed;
      if (headed === 1) {
        const at = (next++ & copyMask) * copyWords;
        copies[at] = headers;
        copies[at + 1] = own * plainHeaderStride;
        copies[at + 2] = destination;
        copies[at + 3] = to[c] - headerBytes;
        copies[at + 4] = headerBytes;
      }
      for (const end = c + own; c < end; c++) {
        const at = (next++ & copyMask) * copyWords;
        copies[at] = source;
        copies[at + 1] = from[c];
        copies[at + 2] = destination;
        copies[at + 3] = to[c];
        copies[at + 4] = bytes[c];
      }
    }
  }

  #descriptorAt(descriptor: number): number {
    return (descriptor & (this.capacity - 1)) * descriptorWords;
  }

  #copyAt(copy: number): number {
    return (copy & (this.copyCapacity - 1)) * copyWords;
  }
}

/** The number behind `number`. */
export function numberAfter(number: number, by = 1): number {
  return (number + by) & numberMask;
}

/** How many numbers there are from `from` up to `to`. */
export function numbersFrom(from: number, to: number): number {
  return (to - from) & numberMask;
}
