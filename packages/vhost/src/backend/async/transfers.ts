import { copyNoteBits, copyPairs, longestCopy, noteWord, numberMask } from '@vio/native/internal';
import { plainHeaderStride } from './plain-headers.ts';

/** int32 numbers per copy: source offset, destination offset, and in one bytes and the pair of memories. */
const copyWords = 3;
/** int32 numbers per descriptor: its first copy, and how many it has. */
const descriptorWords = 2;
const none = new Int32Array(0);

/** Copies between two memories, of packets one after the other: entries of arrays, from 0 on. */
export class CopyRun {
  /** How many each packet has. */
  counts: Int32Array = none;
  /** How many all of them have. */
  copies = 0;
  /** Which memories they are between. */
  pair = -1;
  /** Where they begin in the one, and how long they are, in bytes. */
  from: Int32Array = none;
  bytes: Int32Array = none;
  /** Where they begin in the other. */
  to: Int32Array = none;
  /** From `plainHeaders` to the other: each packet's comes in front of it, and says how many copies it has; -1: none does. */
  headers = -1;
  headerBytes = 0;

  /** Copies to be noted for so many packets, which are all, at most. */
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
  /** Entry `number % copyCapacity`: source offset, destination offset, bytes and above them (17 bits) the number of its pair. */
  readonly copies: Int32Array;
  /** Entry of a pair's number: source memory, destination memory. */
  readonly pairs: Int32Array;

  /** @param capacity descriptors, a power of two; there is room for four copies each */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.copyCapacity = 4 * capacity;
    this.descriptors = new Int32Array(capacity * descriptorWords);
    this.copies = new Int32Array(this.copyCapacity * copyWords);
    this.pairs = new Int32Array(copyPairs * 2);
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
    return this.pairs[2 * this.#pairOf(copy)];
  }

  /** Where in it, in bytes. */
  sourceOffset(copy: number): number {
    return this.copies[this.#copyAt(copy)];
  }

  /** The memory that a copy writes. */
  destination(copy: number): number {
    return this.pairs[2 * this.#pairOf(copy) + 1];
  }

  /** Where in it, in bytes. */
  destinationOffset(copy: number): number {
    return this.copies[this.#copyAt(copy) + 1];
  }

  /** Bytes of a copy. */
  length(copy: number): number {
    return this.copies[this.#copyAt(copy) + 2] & longestCopy;
  }

  /** Says between which memories copies of a pair are. @internal For `DmaChannel`. */
  name(pair: number, source: number, destination: number): void {
    this.pairs[2 * pair] = source;
    this.pairs[2 * pair + 1] = destination;
  }

  /** Writes a descriptor. @internal For `DmaChannel`. */
  describe(descriptor: number, firstCopy: number, copyCount: number): void {
    const at = this.#descriptorAt(descriptor);
    this.descriptors[at] = firstCopy;
    this.descriptors[at + 1] = copyCount;
  }

  /** Writes a copy of up to `longestCopy` bytes. @internal For `DmaChannel`. */
  note(copy: number, pair: number, from: number, to: number, bytes: number): void {
    const { copies } = this;
    const at = this.#copyAt(copy);
    copies[at] = from;
    copies[at + 1] = to;
    copies[at + 2] = noteWord(pair, bytes);
  }

  /**
   * Writes the descriptors of `count` packets, and their copies: those from `descriptor` and `copy` on. Buffers of a packet that lie
   * side by side are one.
   * @returns copies
   * @internal For `DmaChannel`.
   */
  noteRun(descriptor: number, copy: number, run: CopyRun, count: number): number {
    const { descriptors, copies } = this;
    const { counts, from, bytes, to, headers, headerBytes } = run;
    const pair = noteWord(run.pair, 0);
    const headerWord = noteWord(headers, headerBytes);
    const mask = this.capacity - 1;
    const copyMask = this.copyCapacity - 1;
    const headed = headers >= 0;
    let next = copy;
    let c = 0;
    for (let i = 0; i < count; i++) {
      const descriptorAt = ((descriptor + i) & mask) * descriptorWords;
      const own = counts[i];
      const first = next;
      if (headed) {
        const at = (next++ & copyMask) * copyWords;
        copies[at] = own * plainHeaderStride;
        copies[at + 1] = to[c] - headerBytes;
        copies[at + 2] = headerWord;
      }
      let end = -1;
      for (const last = c + own; c < last; c++) {
        if (to[c] === end) copies[((next - 1) & copyMask) * copyWords + 2] += bytes[c];
        else {
          const at = (next++ & copyMask) * copyWords;
          copies[at] = from[c];
          copies[at + 1] = to[c];
          copies[at + 2] = pair | bytes[c];
        }
        end = to[c] + bytes[c];
      }
      descriptors[descriptorAt] = first & numberMask;
      descriptors[descriptorAt + 1] = next - first;
    }
    return next - copy;
  }

  #descriptorAt(descriptor: number): number {
    return (descriptor & (this.capacity - 1)) * descriptorWords;
  }

  #pairOf(copy: number): number {
    return this.copies[this.#copyAt(copy) + 2] >>> copyNoteBits;
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
