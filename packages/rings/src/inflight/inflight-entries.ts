import type { RingFormat } from '../format.ts';
import { entriesInFlight } from './in-flight.ts';
import {
  QueueRegion,
  descNum,
  inflightError,
  packedRegion,
  packedState,
  splitRegion,
  splitState,
} from './inflight-layout.ts';
import type { InflightMemory } from './tracked-device.ts';

/** Where the descriptors of a packed ring lie. */
export interface DescriptorWords {
  /** Words of the memory they are in. */
  readonly words: Int32Array;
  /** The word they start at. */
  readonly start: number;
}

/**
 * The journal of a ring, one entry after the other: for whoever walks a ring by himself, and notes down what a device queue of
 * this package notes down on its own. What it says is what a successor believes, so the order of the calls is that of DPDK: `set`
 * when a chain was fetched, `setLast` before it is shown as used, `clear` after that.
 *
 * The memory is the frontend's as well. What it says is checked when it is used, and nothing is written beside it.
 */
export class InflightEntries {
  /** As RING_PACKED was negotiated. */
  readonly format: RingFormat;
  /** Descriptors of the ring, and entries. */
  readonly size: number;
  readonly #memory: InflightMemory;
  readonly #area: QueueRegion;
  /** The order in which chains were fetched. */
  #counter: number;

  constructor(memory: InflightMemory, format: RingFormat, size: number) {
    this.format = format;
    this.size = size;
    this.#memory = memory;
    this.#area = new QueueRegion(memory.buffer, memory.offset, format, size);
    const newest = this.taken().at(-1);
    this.#counter = newest === undefined ? 0 : this.#area.counter(this.#counterAt(newest)) + 1;
  }

  /** Entries that are taken, in the order in which their chains were fetched. */
  taken(): number[] {
    return entriesInFlight(this.#memory, this.format, this.size);
  }

  /** Where the ring was used up to, as a base of vhost-user: split, `used.idx`; packed, position and wrap counter, twice. */
  base(): number {
    const { u8, u16 } = this.#area;
    if (this.format === 'split') return u16[splitRegion.usedIdx / 2];
    const used = ((u8[packedRegion.oldUsedWrap] & 1) << 15) | (u16[packedRegion.oldUsedIdx / 2] & 0x7fff);
    return ((used << 16) | used) >>> 0;
  }

  /**
   * A chain was fetched.
   * @param head split: the index of its first descriptor; packed: the position of that
   * @param last packed: the position of its last descriptor
   * @returns its entry; of a split ring that is `head`
   * @throws RangeError for what is no descriptor; VioError VIO_RING_INFLIGHT when there is no free entry
   */
  set(head: number, last: number, ring: DescriptorWords): number {
    this.#check('descriptor', head);
    this.#check('descriptor', last);
    if (this.format === 'packed') return this.#setPacked(head, last, ring);
    this.#take(head);
    return head;
  }

  /** The chain of an entry is about to be shown as used. @throws RangeError for what is no entry */
  setLast(entry: number): void {
    this.#check('entry', entry);
    const { u8, u16 } = this.#area;
    if (this.format === 'split') {
      u16[(splitEntry(entry) + splitState.next) / 2] = u16[splitRegion.lastBatchHead / 2];
      u16[splitRegion.lastBatchHead / 2] = entry;
      return;
    }
    const at = packedEntry(entry);
    const last = this.#bounded(u16[(at + packedState.last) / 2]);
    u16[(packedEntry(last) + packedState.next) / 2] = u16[packedRegion.freeHead / 2];
    u16[packedRegion.freeHead / 2] = entry;
    const used = u16[packedRegion.usedIdx / 2] + this.#bounded(u16[(at + packedState.num) / 2] - 1) + 1;
    const wraps = used >= this.size;
    u16[packedRegion.usedIdx / 2] = wraps ? used - this.size : used;
    if (wraps) u8[packedRegion.usedWrap] ^= 1;
  }

  /**
   * The chain of an entry was shown as used.
   * @param used split: `used.idx`, as it is now
   * @throws RangeError for what is no entry
   */
  clear(entry: number, used: number): void {
    this.#check('entry', entry);
    const { u8, u16 } = this.#area;
    if (this.format === 'split') {
      u8[splitEntry(entry)] = 0;
      u16[splitRegion.usedIdx / 2] = used;
      return;
    }
    u8[packedEntry(entry)] = 0;
    u16[packedRegion.oldFreeHead / 2] = u16[packedRegion.freeHead / 2];
    u16[packedRegion.oldUsedIdx / 2] = u16[packedRegion.usedIdx / 2];
    u8[packedRegion.oldUsedWrap] = u8[packedRegion.usedWrap];
  }

  #setPacked(head: number, last: number, { words, start }: DescriptorWords): number {
    const { u16, i32 } = this.#area;
    const count = ((last - head + this.size) % this.size) + 1;
    const entry = this.#bounded(u16[packedRegion.oldFreeHead / 2]);
    let free = entry;
    let end = entry;
    for (let i = 0; i < count; i++) {
      end = this.#bounded(free);
      const from = start + 4 * ((head + i) % this.size);
      const to = packedEntry(end) / 4;
      i32[to + packedState.id / 4] = words[from + 3];
      i32[to + packedState.length / 4] = words[from + 2];
      i32[to + packedState.address / 4] = words[from];
      i32[to + packedState.address / 4 + 1] = words[from + 1];
      free = u16[(packedEntry(end) + packedState.next) / 2];
    }
    u16[(packedEntry(entry) + packedState.last) / 2] = end;
    u16[(packedEntry(entry) + packedState.num) / 2] = count;
    this.#take(entry);
    u16[packedRegion.freeHead / 2] = free;
    u16[packedRegion.oldFreeHead / 2] = free;
    return entry;
  }

  #take(entry: number): void {
    const { u8, i32 } = this.#area;
    const at = this.#counterAt(entry) / 4;
    i32[at] = this.#counter | 0;
    i32[at + 1] = Math.floor(this.#counter / 2 ** 32) | 0;
    this.#counter++;
    u8[this.format === 'split' ? splitEntry(entry) : packedEntry(entry)] = 1;
  }

  #counterAt(entry: number): number {
    return this.format === 'split'
      ? splitEntry(entry) + splitState.counter
      : packedEntry(entry) + packedState.counter;
  }

  #check(what: string, index: number): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.size)
      throw new RangeError(`${index} is no ${what} of a ring of ${this.size}`);
  }

  /** An index that was read from the memory. */
  #bounded(index: number): number {
    if (index >= 0 && index < this.size) return index;
    throw inflightError(
      `entry ${index} of ${this.size} is named, of ${this.#area.u16[descNum / 2]} that are said to be there`,
    );
  }
}

function splitEntry(head: number): number {
  return splitRegion.head + splitState.bytes * head;
}

function packedEntry(entry: number): number {
  return packedRegion.head + packedState.bytes * entry;
}
