import type { SavedChains } from '../device/saved-chains.ts';
import { DESC_F_AVAIL, DESC_F_USED } from '../layout/descriptor.ts';
import {
  type QueueRegion,
  currentVersion,
  descNum,
  inflightError,
  packedRegion,
  packedState,
  version,
} from './inflight-layout.ts';
import type { Journal, OpenedJournal } from './journal.ts';

// Constants of this module, because V8 folds those and not the properties of imported objects.
const firstEntry = packedRegion.head;
const entryBytes = packedState.bytes;
const nextAt = packedState.next;
const lastAt = packedState.last;
const numAt = packedState.num;
const counterAt = packedState.counter;
const freeWord = packedRegion.freeHead / 4;
const usedDouble = packedRegion.usedIdx / 8;
const AVAIL = DESC_F_AVAIL << 16;
const USED = DESC_F_USED << 16;
const AVAIL_AND_USED = AVAIL | USED;

/** Where the device is in the ring. */
interface Position {
  slot: number;
  wrap: number;
}

/**
 * What a device has of a packed virtqueue: copies of the descriptors of its chains, in entries that are taken from a
 * list of free ones. The ring itself does not do: used descriptors overwrite those of chains that are still in flight.
 *
 * Every change takes effect with the one store that moves the old values (`old_free_head`, `old_used_idx`,
 * `old_used_wrap_counter`); the indexes and wrap counters share 8 bytes and are stored at once. What had been read
 * before, the other side could have changed since: links and lengths are kept here as well, and used from here.
 */
export class PackedJournal implements Journal {
  readonly #size: number;
  readonly #area: QueueRegion;
  /** Words of the descriptor ring, and the word it starts at. */
  readonly #ring: Int32Array;
  readonly #start: number;
  /** By entry. */
  readonly #next: Uint16Array;
  readonly #last: Uint16Array;
  /** By buffer id, which may be any number of 16 bits: the entry of its chain. */
  readonly #entry = new Uint16Array(0x1_0000);
  #free: number;
  #nextSlot: number;
  #used: Position;
  #oldUsed: Position;
  #counterLow: number;
  #counterHigh: number;
  /** The 8 bytes of the used positions, put together. */
  readonly #scratch = new Float64Array(1);
  readonly #scratchWords = new Int32Array(this.#scratch.buffer);

  private constructor(area: QueueRegion, size: number, ring: Int32Array, start: number, state: State) {
    this.#size = size;
    this.#area = area;
    this.#ring = ring;
    this.#start = start;
    const entries = Array.from({ length: size }, (_, entry) => entryAt(entry) / 2);
    this.#next = Uint16Array.from(entries, (at) => area.u16[at + packedState.next / 2]);
    this.#last = Uint16Array.from(entries, (at) => area.u16[at + packedState.last / 2]);
    for (const { entry, id } of state.chains) this.#entry[id] = entry;
    this.#free = area.u16[packedRegion.freeHead / 2];
    this.#used = { ...state.used };
    this.#oldUsed = { ...state.used };
    this.#nextSlot = (state.used.slot + state.slots) % size;
    this.#counterLow = state.counter | 0;
    this.#counterHigh = Math.floor(state.counter / 2 ** 32) | 0;
  }

  /**
   * Goes on where a predecessor ended, or starts afresh in an empty area.
   * @param ring words of the memory the descriptor ring lies in
   * @param start the word it starts at
   * @param base of an empty area: where the device goes on, as `DeviceQueue.base()` says it
   * @throws VioError VIO_RING_INFLIGHT
   */
  static open(area: QueueRegion, size: number, ring: Int32Array, start: number, base: number): OpenedJournal {
    if (area.u16[version / 2] === 0) startAfresh(area, size, base);
    const state = recover(area, size, ring, start);
    const { used, slots } = state;
    const next = (used.slot + slots) % size;
    const nextWrap = used.slot + slots >= size ? used.wrap ^ 1 : used.wrap;
    return {
      journal: new PackedJournal(area, size, ring, start, state),
      base: ((((used.wrap << 15) | used.slot) << 16) | (nextWrap << 15) | next) >>> 0,
      saved: savedChains(area, state),
    };
  }

  fetched(id: Int32Array, slots: Int32Array, from: number, count: number): void {
    const { u8, u16, i32 } = this.#area;
    const ring = this.#ring;
    const next = this.#next;
    const size = this.#size;
    let at = this.#nextSlot;
    const lasts = this.#last;
    const entryOf = this.#entry;
    const start = this.#start;
    let low = this.#counterLow;
    let high = this.#counterHigh;
    let free = this.#free;
    for (let i = from; i < from + count; i++) {
      const head = free;
      let last = free;
      for (let left = slots[i]; left > 0; left--) {
        // A driver that names an id twice finds nonsense noted down; it stays in its place, though.
        if (free >= size) free = 0;
        const descriptor = start + (at << 2);
        const to = entryAt(free) >>> 2;
        i32[to + 4] = ring[descriptor + 3];
        i32[to + 5] = ring[descriptor + 2];
        i32[to + 6] = ring[descriptor];
        i32[to + 7] = ring[descriptor + 1];
        last = free;
        free = next[free];
        if (++at === size) at = 0;
      }
      const entry = entryAt(head);
      u16[(entry + lastAt) >>> 1] = last;
      u16[(entry + numAt) >>> 1] = slots[i];
      i32[(entry + counterAt) >>> 2] = low;
      i32[((entry + counterAt) >>> 2) + 1] = high;
      low = (low + 1) | 0;
      if (low === 0) high = (high + 1) | 0;
      u8[entry] = 1;
      lasts[head] = last;
      entryOf[id[i]] = head;
    }
    this.#counterLow = low;
    this.#counterHigh = high;
    this.#nextSlot = at;
    this.#free = free;
    this.#storeFree(free, free);
  }

  unfetched(id: Int32Array, slots: Int32Array, from: number, count: number): void {
    let free = this.#free;
    for (let i = from + count - 1; i >= from; i--) {
      free = this.#giveBack(id[i], free);
      this.#nextSlot -= slots[i];
    }
    if (this.#nextSlot < 0) this.#nextSlot += this.#size;
    this.#free = free;
    this.#storeFree(free, free);
    this.#clear(id, from, count);
  }

  using(id: Int32Array, slots: Int32Array, from: number, count: number): void {
    const old = this.#free;
    const used = this.#used;
    let free = old;
    for (let i = from; i < from + count; i++) {
      free = this.#giveBack(id[i], free);
      used.slot += slots[i];
    }
    if (used.slot >= this.#size) {
      used.slot -= this.#size;
      used.wrap ^= 1;
    }
    this.#free = free;
    this.#storeFree(free, old);
    this.#storeUsed();
  }

  used(id: Int32Array, from: number, count: number): void {
    this.#clear(id, from, count);
    this.#storeFree(this.#free, this.#free);
    this.#oldUsed.slot = this.#used.slot;
    this.#oldUsed.wrap = this.#used.wrap;
    this.#storeUsed();
  }

  /** Puts the entries of a chain at the head of the free list. @returns the new head */
  #giveBack(id: number, free: number): number {
    const entry = this.#entry[id];
    const last = this.#last[entry];
    this.#next[last] = free;
    this.#area.u16[(entryAt(last) + nextAt) >>> 1] = free;
    return entry;
  }

  #clear(id: Int32Array, from: number, count: number): void {
    for (let i = from; i < from + count; i++) this.#area.u8[entryAt(this.#entry[id[i]])] = 0;
  }

  #storeFree(free: number, old: number): void {
    this.#area.i32[freeWord] = free | (old << 16);
  }

  #storeUsed(): void {
    this.#scratchWords[0] = this.#used.slot | (this.#oldUsed.slot << 16);
    this.#scratchWords[1] = this.#used.wrap | (this.#oldUsed.wrap << 8);
    this.#area.f64[usedDouble] = this.#scratch[0];
  }
}

interface State {
  readonly used: Position;
  /** Chains in flight, in the order they were fetched. */
  readonly chains: readonly { entry: number; id: number; slots: number }[];
  /** Ring slots of all of them. */
  readonly slots: number;
  /** For the next chain. */
  readonly counter: number;
}

function entryAt(entry: number): number {
  return firstEntry + Math.imul(entry, entryBytes);
}

/** The version goes last: until then the area counts as empty. */
function startAfresh({ u8, u16 }: QueueRegion, size: number, base: number): void {
  u8.fill(0);
  u16[descNum / 2] = size;
  for (let entry = 0; entry < size; entry++) u16[(entryAt(entry) + packedState.next) / 2] = entry + 1;
  u16[packedRegion.usedIdx / 2] = u16[packedRegion.oldUsedIdx / 2] = (base >>> 16) & 0x7fff;
  u8[packedRegion.usedWrap] = u8[packedRegion.oldUsedWrap] = base >>> 31;
  u16[version / 2] = currentVersion;
}

/** Finishes or undoes what the predecessor was about to do, and finds out what it had. */
function recover(area: QueueRegion, size: number, ring: Int32Array, start: number): State {
  const { u8, u16 } = area;
  if (u16[version / 2] !== currentVersion) throw inflightError(`its version is ${u16[version / 2]}`);
  if (u16[descNum / 2] !== size) {
    throw inflightError(`it is for ${u16[descNum / 2]} descriptors, the ring has ${size}`);
  }
  const used = settle(area, size, ring, start);
  const free = freeEntries(area, size);
  for (const entry of free) u8[entryAt(entry)] = 0;

  const order = (entry: number): number => area.counter(entryAt(entry) + packedState.counter);
  const heads = Array.from({ length: size }, (_, entry) => entry)
    .filter((entry) => u8[entryAt(entry)] !== 0)
    .toSorted((a, b) => order(a) - order(b));
  const chains = heads.map((entry) => {
    const at = entryAt(entry) / 2;
    const last = u16[at + packedState.last / 2];
    if (last >= size) throw inflightError(`a chain ends at entry ${last} of ${size}`);
    const id = u16[(entryAt(last) + packedState.id) / 2];
    return { entry, id, slots: u16[at + packedState.num / 2] };
  });
  const slots = chains.reduce((sum, chain) => sum + chain.slots, 0);
  if (slots + free.size !== size || chains.some((chain) => chain.slots === 0)) {
    throw inflightError(`${slots} descriptors in flight and ${free.size} free ones do not make ${size}`);
  }
  for (const chain of chains) {
    let { entry } = chain;
    for (let left = chain.slots; left > 1; left--) {
      entry = u16[(entryAt(entry) + packedState.next) / 2];
      if (entry >= size) throw inflightError(`a chain goes on at entry ${entry} of ${size}`);
    }
  }
  makeAvailable(ring, start, size, used, slots);
  const newest = heads.at(-1);
  return { used, chains, slots, counter: newest === undefined ? 0 : order(newest) + 1 };
}

/** If the driver has seen the last batch it is used, else it never was. @returns where used descriptors go on */
function settle({ u8, u16 }: QueueRegion, size: number, ring: Int32Array, start: number): Position {
  const position = (slot: number, wrap: number): Position => ({ slot: u16[slot / 2], wrap: u8[wrap] & 1 });
  const now = position(packedRegion.usedIdx, packedRegion.usedWrap);
  const old = position(packedRegion.oldUsedIdx, packedRegion.oldUsedWrap);
  if (now.slot >= size || old.slot >= size) {
    throw inflightError(`the used position ${Math.max(now.slot, old.slot)} lies outside a ring of ${size}`);
  }
  const begun = now.slot !== old.slot || now.wrap !== old.wrap;
  const seen = (ring[start + 4 * old.slot + 3] & AVAIL_AND_USED) !== availableBits(old.wrap);
  const used = begun && seen ? now : old;
  const freeHead = u16[(begun && seen ? packedRegion.freeHead : packedRegion.oldFreeHead) / 2];
  u16[packedRegion.freeHead / 2] = u16[packedRegion.oldFreeHead / 2] = freeHead;
  u16[packedRegion.usedIdx / 2] = u16[packedRegion.oldUsedIdx / 2] = used.slot;
  u8[packedRegion.usedWrap] = u8[packedRegion.oldUsedWrap] = used.wrap;
  return used;
}

function freeEntries({ u16 }: QueueRegion, size: number): Set<number> {
  const free = new Set<number>();
  for (
    let entry = u16[packedRegion.freeHead / 2];
    entry < size;
    entry = u16[(entryAt(entry) + packedState.next) / 2]
  ) {
    if (free.has(entry)) throw inflightError(`the list of free entries has a loop at ${entry}`);
    free.add(entry);
  }
  return free;
}

/**
 * A batch of which the driver saw nothing may have left used descriptors behind its first one. The driver must not
 * come upon them when that one is used on its own.
 */
function makeAvailable(
  ring: Int32Array,
  start: number,
  size: number,
  { slot, wrap }: Position,
  slots: number,
): void {
  for (let i = 0; i < slots; i++) {
    const lapped = slot + i >= size;
    const at = start + 4 * (lapped ? slot + i - size : slot + i) + 3;
    const bits = availableBits(lapped ? wrap ^ 1 : wrap);
    if ((ring[at] & AVAIL_AND_USED) !== bits) ring[at] = (ring[at] & ~AVAIL_AND_USED) | bits;
  }
}

function availableBits(wrap: number): number {
  return wrap === 1 ? AVAIL : USED;
}

function savedChains({ u16, i32 }: QueueRegion, { chains, slots }: State): SavedChains {
  const words = new Int32Array(4 * slots);
  const first: number[] = [];
  let to = 0;
  for (const chain of chains) {
    first.push(to);
    let { entry } = chain;
    for (let left = chain.slots; left > 0; left--, to += 4) {
      const at = entryAt(entry) / 4;
      words.set([i32[at + 6], i32[at + 7], i32[at + 5], i32[at + 4]], to);
      entry = u16[(entryAt(entry) + packedState.next) / 2];
    }
  }
  return {
    count: chains.length,
    id: Int32Array.from(chains, ({ id }) => id),
    slots: Int32Array.from(chains, (chain) => chain.slots),
    first: Int32Array.from(first),
    words,
  };
}
