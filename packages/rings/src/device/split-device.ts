import { VioError } from '@vio/native';
import { singlesJob } from '@vio/native/internal';
import { needEvent } from '../event-index.ts';
import { DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, descriptorBytes } from '../layout/descriptor.ts';
import { AVAIL_F_NO_INTERRUPT, USED_F_NO_NOTIFY } from '../layout/split-layout.ts';
import type { ChainBurst } from './chain-burst.ts';
import type { DeviceQueue, DeviceQueueOptions, DeviceVringAddresses } from './device-queue.ts';
import { DeviceRing } from './device-ring.ts';
import { ringPart } from './ring-part.ts';
import type { SavedChains } from './saved-chains.ts';
import type { SingleBurst, SingleKind } from './single-burst.ts';
import { offsetInWindow } from './window-offset.ts';

/** What the flags of a single descriptor say; constants of this module, because V8 folds those and not imported ones. */
const FLAGS = DESC_F_NEXT | DESC_F_INDIRECT | DESC_F_WRITE;
const WRITE = DESC_F_WRITE;

/**
 * The device side of a split virtqueue (spec 2.7).
 *
 * Memory order: one `Atomics.load` of `avail.idx` orders everything read after it, one `Atomics.store` of
 * `used.idx` everything written before it; all else is plain. JavaScript atomics are sequentially consistent, so
 * the store of an index or event and the following load of the other side's event or index need no further fence.
 *
 * With IN_ORDER the entry of the last buffer may stand for a whole batch (spec 2.7.9); of buffers that were written, a
 * driver wants to know the lengths, so this is done for read ones only.
 */
export class SplitDevice extends DeviceRing implements DeviceQueue {
  readonly format = 'split';
  readonly #mask: number;

  readonly #addresses: DeviceVringAddresses;
  /** Views of the window each part lies in, and where it starts there: descriptors in words, ... */
  readonly #descriptors: Int32Array;
  readonly #table: number;
  /** ... the available ring in halves ... */
  readonly #avail: Uint16Array;
  readonly #availFlags: number;
  readonly #availIdx: number;
  readonly #availRing: number;
  readonly #usedEvent: number;
  /** ... and the used ring in halves and, its entries, in words. */
  readonly #used: Uint16Array;
  readonly #usedFlags: number;
  readonly #usedIdx: number;
  readonly #availEvent: number;
  readonly #usedWords: Int32Array;
  readonly #usedRing: number;

  /** Free-running 16-bit indexes: the next available entry to fetch, the next used entry to write. */
  #next: number;
  #done: number;
  /** `#done` at the last `callNeeded`. */
  #signalled: number;
  readonly resumed: boolean;
  /** Whether the driver was called for the entries before is unknown. */
  #signalledUnknown: boolean;

  constructor(options: DeviceQueueOptions) {
    super(options);
    const { memory, addresses, size, features } = options;
    this.#addresses = addresses;
    this.#mask = size - 1;

    const event = features.eventIdx ? 2 : 0;
    this.#descriptors = ringPart(
      memory,
      addresses.descriptors,
      'descriptor table',
      descriptorBytes * size,
      16,
    ).i32;
    this.#table = addresses.descriptors.offset / 4;
    this.#avail = ringPart(memory, addresses.driver, 'available ring', 4 + 2 * size + event, 2).u16;
    this.#availFlags = addresses.driver.offset / 2;
    this.#availIdx = this.#availFlags + 1;
    this.#availRing = this.#availFlags + 2;
    this.#usedEvent = this.#availRing + size;
    const used = ringPart(memory, addresses.device, 'used ring', 4 + 8 * size + event, 4);
    this.#used = used.u16;
    this.#usedFlags = addresses.device.offset / 2;
    this.#usedIdx = this.#usedFlags + 1;
    this.#availEvent = this.#usedFlags + 2 + 4 * size;
    this.#usedWords = used.i32;
    this.#usedRing = addresses.device.offset / 4 + 1;

    this.#next = options.base & 0xffff;
    this.#done = Atomics.load(this.#used, this.#usedIdx);
    // Whoever was here before had fetched this much more than it completed.
    this.inFlight = (this.#next - this.#done) & 0xffff;
    if (this.inFlight > size) {
      throw new VioError(`vring base ${this.#next} is not up to ${size} ahead of used.idx, ${this.#done}`, {
        code: 'VIO_RING_BASE',
        remedy: 'Give the base the device reported when it stopped, or what the used ring says.',
      });
    }
    this.#signalled = this.#done;
    this.resumed = this.#done !== 0 || this.#next !== 0 || this.#hasUsedEntries();
    this.#signalledUnknown = this.resumed;
  }

  /** After 65,536 buffers the indexes are those of a fresh ring again, but the entries are not. */
  #hasUsedEntries(): boolean {
    const entries = this.#usedWords.subarray(this.#usedRing, this.#usedRing + 2 * this.size);
    return entries.some((word) => word !== 0);
  }

  fetchMore(chains: ChainBurst, max: number): number {
    const first = chains.count;
    const room = chains.capacity - first;
    const count = this.#available(max < room ? max : room);
    chains.full = room === 0;
    if (count === 0) return 0;
    const avail = this.#avail;
    const ring = this.#availRing;
    const mask = this.#mask;
    const descriptors = this.#descriptors;
    const builder = this.builder;
    builder.clear();
    const end = first + count;
    let next = this.#next;
    let segment = chains.firstSegment[first];
    let i = first;
    for (; i < end; i++) {
      const head = avail[ring + (next++ & mask)];
      if (head > mask) {
        builder.fail(
          'DESCRIPTOR_INDEX_INVALID',
          `the available ring names descriptor ${head} of ${this.size}`,
        );
        break;
      }
      const at = this.#table + (head << 2);
      builder.begin(chains, i, segment);
      if (!this.#walk(descriptors[at], descriptors[at + 1], descriptors[at + 2], descriptors[at + 3])) break;
      segment = builder.end(i, head, 1);
    }
    const fetched = this.fetched(chains, i, segment, i < end);
    this.#next = (this.#next + fetched) & 0xffff;
    this.inFlight += fetched;
    if (this.builder.missed) this.lookAhead();
    return fetched;
  }

  fetchSingles(singles: SingleBurst, max: number, kind: SingleKind, least: number, most: number): number {
    singles.count = 0;
    singles.blocked = false;
    const count = this.#available(max < singles.capacity ? max : singles.capacity);
    if (count === 0) return 0;
    const { prefix } = kind;
    const flags = kind.writable ? WRITE : 0;
    const shortest = least + prefix;
    const longest = most + prefix;
    const { window, low, high, bytes, startOffset } = this.builder;
    const { id, offset: offsets, length: lengths } = singles;
    const avail = this.#avail;
    const ring = this.#availRing;
    const mask = this.#mask;
    const descriptors = this.#descriptors;
    const table = this.#table;
    let next = this.#next;
    let i = 0;
    for (; i < count; i++) {
      const head = avail[ring + (next++ & mask)];
      if (head > mask) break;
      const at = table + (head << 2);
      const length = descriptors[at + 2];
      const link = descriptors[at + 3];
      const offset = offsetInWindow(descriptors[at], descriptors[at + 1], length, low, high, bytes);
      if ((link & FLAGS) !== flags || length < shortest || length > longest || offset < 0) {
        break;
      }
      id[i] = head;
      offsets[i] = startOffset + offset + prefix;
      lengths[i] = length - prefix;
    }
    singles.window = window;
    singles.writable = kind.writable;
    singles.prefix = prefix;
    singles.blocked = i < count;
    singles.count = i;
    this.#next = (this.#next + i) & 0xffff;
    this.inFlight += i;
    return i;
  }

  refetch(chains: ChainBurst, saved: SavedChains, from: number, max: number): number {
    if (this.broken !== undefined) return 0;
    const descriptors = this.#descriptors;
    const builder = this.builder;
    builder.clear();
    const first = chains.count;
    const end = first + Math.min(max, chains.capacity - first, saved.count - from);
    let segment = chains.firstSegment[first];
    let i = first;
    for (; i < end; i++) {
      const head = saved.id[from + i - first];
      const at = this.#table + (head << 2);
      builder.begin(chains, i, segment);
      if (!this.#walk(descriptors[at], descriptors[at + 1], descriptors[at + 2], descriptors[at + 3])) break;
      segment = builder.end(i, head, 1);
    }
    return this.fetched(chains, i, segment, i < end);
  }

  /** @returns how many chains may be fetched, at most `max`; breaks the queue when the driver's index makes no sense */
  #available(max: number): number {
    if (this.broken !== undefined) return 0;
    const index = Atomics.load(this.#avail, this.#availIdx);
    const count = (index - this.#next) & 0xffff;
    const room = this.size - this.inFlight;
    if (count > room) {
      return this.break(
        'AVAIL_INDEX_JUMPED',
        `avail.idx went from ${this.#next} to ${index}, allowed were ${room}`,
      );
    }
    return count < max ? count : max;
  }

  /** Adds the descriptors of a chain to the builder, the first of them given by value. */
  #walk(low: number, high: number, length: number, link: number): boolean {
    const builder = this.builder;
    const descriptors = this.#descriptors;
    for (let visited = 1; ; visited++) {
      if (visited > this.size) {
        return builder.fail(
          'DESCRIPTOR_LOOP',
          `a chain visits more than the ${this.size} descriptors of the queue`,
        );
      }
      const more = (link & DESC_F_NEXT) !== 0;
      if ((link & DESC_F_INDIRECT) !== 0) return builder.addSplitTable(low, high, length, more);
      if (!builder.addBuffer(low, high, length, (link & DESC_F_WRITE) !== 0)) return false;
      if (!more) return true;
      const index = link >>> 16;
      if (index >= this.size) {
        return builder.fail('DESCRIPTOR_INDEX_INVALID', `next is ${index} in a table of ${this.size}`);
      }
      const at = this.#table + (index << 2);
      low = descriptors[at];
      high = descriptors[at + 1];
      length = descriptors[at + 2];
      link = descriptors[at + 3];
    }
  }

  unfetch(chains: ChainBurst, count: number): void {
    chains.count -= count;
    this.#next = (this.#next - count) & 0xffff;
    this.inFlight -= count;
  }

  complete(chains: ChainBurst, from: number, count: number): void {
    this.#use(chains.id, chains.written, from, count);
  }

  completeSingles(singles: SingleBurst, from = 0, count = singles.count): void {
    const { id, written } = singles;
    if (this.inOrder && !singles.writable && count > 1) this.#useBatch(id[from + count - 1], count);
    else this.#use(id, written, from, count);
  }

  /** IN_ORDER: one used entry, with the head of the last buffer, stands for `count` of them (spec 2.7.9). */
  #useBatch(lastHead: number, count: number): void {
    if (this.broken !== undefined) return;
    const at = this.#usedRing + ((this.#done & this.#mask) << 1);
    this.#usedWords[at] = lastHead;
    this.#usedWords[at + 1] = 0;
    this.#done = (this.#done + count) & 0xffff;
    this.inFlight -= count;
    Atomics.store(this.#used, this.#usedIdx, this.#done);
  }

  #use(id: Int32Array, written: Int32Array, from: number, count: number): void {
    if (count === 0 || this.broken !== undefined) return;
    const words = this.#usedWords;
    const ring = this.#usedRing;
    const mask = this.#mask;
    const end = from + count;
    let done = this.#done;
    for (let i = from; i < end; i++) {
      const at = ring + ((done++ & mask) << 1);
      // A driver that recycles its descriptors in order finds the same entry again: leave the cache line clean.
      if (words[at] !== id[i]) words[at] = id[i];
      if (words[at + 1] !== written[i]) words[at + 1] = written[i];
    }
    this.#done = done & 0xffff;
    this.inFlight -= count;
    Atomics.store(this.#used, this.#usedIdx, this.#done);
  }

  describe(job: Int32Array): boolean {
    const { descriptors, driver, device } = this.#addresses;
    job[singlesJob.packed] = 0;
    job[singlesJob.inOrder] = this.inOrder ? 1 : 0;
    job[singlesJob.size] = this.size;
    job[singlesJob.tables] = this.builder.tablesFor('flags');
    job[singlesJob.table] = descriptors.window;
    job[singlesJob.tableAt] = descriptors.offset;
    job[singlesJob.avail] = driver.window;
    job[singlesJob.availAt] = driver.offset;
    job[singlesJob.used] = device.window;
    job[singlesJob.usedAt] = device.offset;
    return true;
  }

  lend(job: Int32Array): void {
    job[singlesJob.next] = this.#next;
    job[singlesJob.done] = this.#done;
    job[singlesJob.room] = this.broken === undefined ? this.size - this.inFlight : 0;
    this.builder.lendWindow(job);
  }

  took(count: number): void {
    this.#next = (this.#next + count) & 0xffff;
    this.inFlight += count;
  }

  takeBack(count: number): void {
    this.#next = (this.#next + count) & 0xffff;
    this.#done = (this.#done + count) & 0xffff;
  }

  pending(): number {
    if (this.broken !== undefined) return 0;
    const count = (Atomics.load(this.#avail, this.#availIdx) - this.#next) & 0xffff;
    return count < this.size ? count : this.size;
  }

  callNeeded(): boolean {
    const before = this.#signalled;
    const done = this.#done;
    if (before === done) return false;
    this.#signalled = done;
    if (!this.eventIdx) return (Atomics.load(this.#avail, this.#availFlags) & AVAIL_F_NO_INTERRUPT) === 0;
    const unknown = this.#signalledUnknown;
    this.#signalledUnknown = false;
    return needEvent(Atomics.load(this.#avail, this.#usedEvent), done, before) || unknown;
  }

  callWanted(): boolean {
    return this.eventIdx || (Atomics.load(this.#avail, this.#availFlags) & AVAIL_F_NO_INTERRUPT) === 0;
  }

  armKick(): boolean {
    if (this.eventIdx) Atomics.store(this.#used, this.#availEvent, this.#next);
    else Atomics.store(this.#used, this.#usedFlags, 0);
    return this.pending() > 0;
  }

  disarmKick(): void {
    // With EVENT_IDX flags stay 0 (spec 2.7.10.2); an event that has just passed is 65535 buffers away.
    if (this.eventIdx) this.#used[this.#availEvent] = this.#next - 1;
    else this.#used[this.#usedFlags] = USED_F_NO_NOTIFY;
  }

  usedAt(): number {
    return this.#done & this.#mask;
  }

  base(): number {
    return this.#next;
  }
}
