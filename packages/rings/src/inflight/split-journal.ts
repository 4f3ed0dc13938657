import type { SavedChains } from '../device/saved-chains.ts';
import {
  type QueueRegion,
  currentVersion,
  descNum,
  inflightError,
  splitRegion,
  splitState,
  version,
} from './inflight-layout.ts';
import type { Journal, OpenedJournal } from './journal.ts';

// Constants of this module, because V8 folds those and not the properties of imported objects.
const lastBatchHead = splitRegion.lastBatchHead / 2;
const usedIdx = splitRegion.usedIdx / 2;
const firstState = splitRegion.head;
const stateBytes = splitState.bytes;
const counterAt = splitState.counter;
const nextAt = splitState.next;

/**
 * What a device has of a split virtqueue: `desc[i]` tells of the chain with head i. The chains of the last batch are
 * linked before the driver sees them, so that a successor that finds `used.idx` ahead of `used_idx` knows which ones
 * were used already.
 */
export class SplitJournal implements Journal {
  readonly #u8: Uint8Array;
  readonly #u16: Uint16Array;
  readonly #i32: Int32Array;
  #lastBatchHead: number;
  #usedIdx: number;
  /** 64 bits in halves: the order in which chains were fetched. */
  #counterLow: number;
  #counterHigh: number;

  private constructor(area: QueueRegion, counter: number) {
    this.#u8 = area.u8;
    this.#u16 = area.u16;
    this.#i32 = area.i32;
    this.#lastBatchHead = area.u16[lastBatchHead];
    this.#usedIdx = area.u16[usedIdx];
    this.#counterLow = counter | 0;
    this.#counterHigh = Math.floor(counter / 2 ** 32) | 0;
  }

  /**
   * Goes on where a predecessor ended, or starts afresh in an empty area.
   * @param used `used.idx` of the ring
   * @throws VioError VIO_RING_INFLIGHT
   */
  static open(area: QueueRegion, size: number, used: number): OpenedJournal {
    if (area.u16[version / 2] === 0) startAfresh(area, size, used);
    else finishLastBatch(area, size, used);
    const heads = inFlight(area, size);
    const last = heads.at(-1);
    const counter = last === undefined ? 0 : area.counter(stateOf(last) + counterAt) + 1;
    return {
      journal: new SplitJournal(area, counter),
      base: (used + heads.length) & 0xffff,
      saved: savedHeads(heads),
    };
  }

  fetched(id: Int32Array, _slots: Int32Array, from: number, count: number): void {
    const u8 = this.#u8;
    const i32 = this.#i32;
    let low = this.#counterLow;
    let high = this.#counterHigh;
    for (let i = from; i < from + count; i++) {
      const at = stateOf(id[i]);
      const word = (at + counterAt) >>> 2;
      i32[word] = low;
      i32[word + 1] = high;
      low = (low + 1) | 0;
      if (low === 0) high = (high + 1) | 0;
      u8[at] = 1;
    }
    this.#counterLow = low;
    this.#counterHigh = high;
  }

  unfetched(id: Int32Array, _slots: Int32Array, from: number, count: number): void {
    // The last one first: those that are left are always the first ones of the available ring.
    for (let i = from + count - 1; i >= from; i--) this.#u8[stateOf(id[i])] = 0;
  }

  using(id: Int32Array, _slots: Int32Array, from: number, count: number): void {
    const u16 = this.#u16;
    let head = this.#lastBatchHead;
    for (let i = from; i < from + count; i++) {
      u16[(stateOf(id[i]) + nextAt) >>> 1] = head;
      head = id[i];
    }
    u16[lastBatchHead] = head;
    this.#lastBatchHead = head;
    this.#usedIdx = (this.#usedIdx + count) & 0xffff;
  }

  used(id: Int32Array, from: number, count: number): void {
    const u8 = this.#u8;
    for (let i = from; i < from + count; i++) u8[stateOf(id[i])] = 0;
    this.#u16[usedIdx] = this.#usedIdx;
  }
}

function stateOf(head: number): number {
  return firstState + Math.imul(head, stateBytes);
}

/** The version goes last: until then the area counts as empty. */
function startAfresh(area: QueueRegion, size: number, used: number): void {
  area.u8.fill(0);
  area.u16[descNum / 2] = size;
  area.u16[usedIdx] = used;
  area.u16[version / 2] = currentVersion;
}

/** Chains the driver has seen as used, though they are still noted down: those of the last batch. */
function finishLastBatch(area: QueueRegion, size: number, used: number): void {
  const { u8, u16 } = area;
  if (u16[version / 2] !== currentVersion) throw inflightError(`its version is ${u16[version / 2]}`);
  if (u16[descNum / 2] !== size) {
    throw inflightError(`it is for ${u16[descNum / 2]} descriptors, the ring has ${size}`);
  }
  const batch = (used - u16[usedIdx]) & 0xffff;
  if (batch > size) throw inflightError(`used.idx is ${batch} ahead, the ring has ${size} descriptors`);
  let head = u16[lastBatchHead];
  for (let left = batch; left > 0; left--) {
    if (head >= size) throw inflightError(`the last batch names descriptor ${head} of ${size}`);
    u8[stateOf(head)] = 0;
    head = u16[(stateOf(head) + nextAt) / 2];
  }
  u16[usedIdx] = used;
}

/** Heads of the chains that were fetched and not used, in the order they were fetched. */
function inFlight(area: QueueRegion, size: number): number[] {
  const order = (head: number): number => area.counter(stateOf(head) + counterAt);
  return Array.from({ length: size }, (_, head) => head)
    .filter((head) => area.u8[stateOf(head)] !== 0)
    .toSorted((a, b) => order(a) - order(b));
}

function savedHeads(heads: readonly number[]): SavedChains {
  const id = Int32Array.from(heads);
  const none = new Int32Array(0);
  return { count: heads.length, id, slots: new Int32Array(heads.length).fill(1), first: none, words: none };
}
