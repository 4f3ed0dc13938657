import { DESC_F_AVAIL, DESC_F_USED, DESC_F_WRITE } from '../layout/descriptor.ts';
import type { ChainBurst } from './chain-burst.ts';
import type { SingleBurst } from './single-burst.ts';

/** As they stand in the last word of a descriptor; constants of this module, because V8 folds those. */
const WRITE = DESC_F_WRITE << 16;
const AVAIL_AND_USED = (DESC_F_AVAIL | DESC_F_USED) << 16;

/**
 * Where a packed device writes used descriptors, and how: there is no index to publish. Of those written by one call the
 * first gets its flags last, with one `Atomics.store`, and a driver, which reads in ring order, does not get past it before.
 */
export class PackedUsed {
  /** The next used descriptor to write, and its wrap counter. */
  done: number;
  doneWrap: number;
  /** Slots written since somebody last looked. */
  unsignalled = 0;
  readonly #words: Int32Array;
  readonly #ring: number;
  readonly #size: number;

  /** @param ring index of the ring's first word */
  constructor(words: Int32Array, ring: number, size: number, done: number, doneWrap: number) {
    this.#words = words;
    this.#ring = ring;
    this.#size = size;
    this.done = done;
    this.doneWrap = doneWrap;
  }

  /** Writes `count` chains of the burst from `from` on. @returns the slots they took up */
  complete({ id, slots, written }: ChainBurst, from: number, count: number): number {
    const words = this.#words;
    const ring = this.#ring;
    const size = this.#size;
    const end = from + count;
    const first = ring + (this.done << 2);
    const firstFlags = this.doneWrap === 1 ? AVAIL_AND_USED : 0;
    let done = this.done;
    let flags = firstFlags;
    let total = 0;
    for (let i = from; ;) {
      total += slots[i];
      done += slots[i];
      if (done >= size) {
        done -= size;
        flags ^= AVAIL_AND_USED;
      }
      if (++i === end) break;
      const at = ring + (done << 2);
      words[at + 2] = written[i];
      words[at + 3] = usedWord(id[i], written[i], flags);
    }
    this.#moved(done, flags, total);
    words[first + 2] = written[from];
    Atomics.store(words, first + 3, usedWord(id[from], written[from], firstFlags));
    return total;
  }

  /** The same for chains of one slot each. */
  completeSingles({ id, written }: SingleBurst, from: number, count: number): void {
    const end = from + count;
    const words = this.#words;
    const ring = this.#ring;
    const size = this.#size;
    const first = ring + (this.done << 2);
    const firstFlags = this.doneWrap === 1 ? AVAIL_AND_USED : 0;
    let done = this.done;
    let flags = firstFlags;
    for (let i = from; ;) {
      if (++done === size) {
        done = 0;
        flags ^= AVAIL_AND_USED;
      }
      if (++i === end) break;
      const at = ring + (done << 2);
      words[at + 2] = written[i];
      words[at + 3] = usedWord(id[i], written[i], flags);
    }
    this.#moved(done, flags, count);
    words[first + 2] = written[from];
    Atomics.store(words, first + 3, usedWord(id[from], written[from], firstFlags));
  }

  /** IN_ORDER: one used descriptor, with the id of the last buffer, stands for `count` slots (spec 2.8.8). */
  completeBatch(lastId: number, count: number): void {
    const at = this.#ring + (this.done << 2);
    const flags = this.doneWrap === 1 ? AVAIL_AND_USED : 0;
    this.skip(count);
    this.#words[at + 2] = 0;
    Atomics.store(this.#words, at + 3, lastId | flags);
  }

  /** Goes on behind `count` slots that somebody else has written. */
  skip(count: number): void {
    this.done += count;
    if (this.done >= this.#size) {
      this.done -= this.#size;
      this.doneWrap ^= 1;
    }
    this.unsignalled += count;
  }

  #moved(done: number, flags: number, slots: number): void {
    this.done = done;
    this.doneWrap = flags === 0 ? 0 : 1;
    this.unsignalled += slots;
  }
}

/** The last word of a used descriptor; WRITE says that something was written (spec 2.8.4). */
function usedWord(id: number, written: number, availAndUsed: number): number {
  return id | availAndUsed | (written === 0 ? 0 : WRITE);
}
