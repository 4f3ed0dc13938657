import { VioError } from '@vio/native';
import { singlesJob } from '@vio/native/internal';
import {
  DESC_F_AVAIL,
  DESC_F_INDIRECT,
  DESC_F_NEXT,
  DESC_F_USED,
  DESC_F_WRITE,
  descriptorBytes,
} from '../layout/descriptor.ts';
import {
  RING_EVENT_DESC,
  RING_EVENT_DISABLE,
  RING_EVENT_ENABLE,
  weaklyOrdered,
} from '../layout/packed-layout.ts';
import type { IndirectDirection } from './chain-builder.ts';
import type { ChainBurst } from './chain-burst.ts';
import type { DeviceQueue, DeviceQueueOptions, WindowOffset } from './device-queue.ts';
import { DeviceRing } from './device-ring.ts';
import { PackedUsed } from './packed-used.ts';
import { ringPart } from './ring-part.ts';
import type { SavedChains } from './saved-chains.ts';
import type { SingleBurst, SingleKind } from './single-burst.ts';
import { offsetInWindow } from './window-offset.ts';

/**
 * Flags as they stand in the last word of a descriptor: buffer id in the low half, flags in the high half. Constants
 * of this module, because V8 folds those and not imported ones.
 */
const FLAGS = (DESC_F_NEXT | DESC_F_INDIRECT | DESC_F_WRITE) << 16;
const WRITE = DESC_F_WRITE << 16;
const AVAIL = DESC_F_AVAIL << 16;
const USED = DESC_F_USED << 16;
const AVAIL_AND_USED = AVAIL | USED;
/** Heads have to be loaded with acquire, each. The descriptors behind a head need none: the driver writes the head's flags last. */
const acquires = weaklyOrdered;

/**
 * The device side of a packed virtqueue (spec 2.8).
 *
 * With IN_ORDER one used descriptor may stand for a whole batch (spec 2.8.8); of buffers that were written, a driver
 * wants to know the lengths, so this is done for read ones only.
 *
 * DPDK drivers before 23.11 forget NEXT on a separate Tx header descriptor. Such a header arrives here as a chain
 * of its own, the packet as another. lib/vhost does the same: uses the short one up and drops it. That is for
 * whoever reads the chains to do; it is no fault of the ring.
 */
export class PackedDevice extends DeviceRing implements DeviceQueue {
  readonly format = 'packed';
  readonly #indirectDirection: IndirectDirection;

  /** Views of the window each part lies in, and the word it starts at. */
  readonly #words: Int32Array;
  readonly #ring: number;
  readonly #table: WindowOffset;
  readonly #driverEventWords: Int32Array;
  readonly #driverEvent: number;
  readonly #deviceEventWords: Int32Array;
  readonly #deviceEvent: number;

  /** The next descriptor to fetch, and its wrap counter. */
  #next: number;
  #nextWrap: number;
  readonly #used: PackedUsed;
  readonly resumed: boolean;
  /** Whether the driver was called for the entries before is unknown. */
  #signalledUnknown: boolean;

  /** State of `#walk`: what the chain turned out to be. */
  #walkedSlots = 0;
  #walkedId = 0;

  constructor(options: DeviceQueueOptions) {
    super(options);
    const { memory, addresses, size, base } = options;
    this.#indirectDirection = options.indirectDirection ?? 'flags';

    this.#words = ringPart(memory, addresses.descriptors, 'descriptor ring', descriptorBytes * size, 16).i32;
    this.#ring = addresses.descriptors.offset / 4;
    this.#table = addresses.descriptors;
    this.#driverEventWords = ringPart(memory, addresses.driver, 'driver event suppression', 4, 4).i32;
    this.#driverEvent = addresses.driver.offset / 4;
    this.#deviceEventWords = ringPart(memory, addresses.device, 'device event suppression', 4, 4).i32;
    this.#deviceEvent = addresses.device.offset / 4;

    this.#next = base & 0x7fff;
    this.#nextWrap = (base >>> 15) & 1;
    const done = (base >>> 16) & 0x7fff;
    this.#used = new PackedUsed(this.#words, this.#ring, size, done, base >>> 31);
    this.resumed = base >>> 0 !== 0x8000_8000 || this.#hasUsedSlots();
    this.#signalledUnknown = this.resumed;
    if (this.#next >= size || done >= size) throw baseError(base, `outside a ring of ${size}`);
    // Whoever was here before had fetched this much more than it completed.
    this.inFlight = this.#next - done + (this.#nextWrap === this.#used.doneWrap ? 0 : size);
    if (this.inFlight < 0 || this.inFlight > size) {
      throw baseError(
        base,
        `nowhere: of a ring of ${size} no device can have fetched so much more than it used`,
      );
    }
  }

  /** After two laps the position is that of a fresh ring again, but the slots are not. */
  #hasUsedSlots(): boolean {
    for (let slot = 0; slot < this.size; slot++) {
      const at = this.#ring + (slot << 2);
      const written = this.#words.subarray(at, at + 4).some((word) => word !== 0);
      if (written && (this.#words[at + 3] & AVAIL_AND_USED) === 0) return true;
    }
    return false;
  }

  fetchMore(chains: ChainBurst, max: number): number {
    const first = chains.count;
    const free = chains.capacity - first;
    chains.full = free === 0;
    if (this.broken !== undefined) return 0;
    const words = this.#words;
    const ring = this.#ring;
    let next = this.#next;
    let expected = this.#nextWrap === 1 ? AVAIL : USED;
    let word = Atomics.load(words, ring + (next << 2) + 3);
    if ((word & AVAIL_AND_USED) !== expected) return 0;

    const end = first + (max < free ? max : free);
    const size = this.size;
    const builder = this.builder;
    builder.clear();
    let room = size - this.inFlight;
    let segment = chains.firstSegment[first];
    let i = first;
    let refused = false;
    while (i < end) {
      const at = ring + (next << 2);
      if (i > first) word = acquires ? Atomics.load(words, at + 3) : words[at + 3];
      if ((word & AVAIL_AND_USED) !== expected) break;
      if (room === 0) {
        builder.fail('AVAIL_INDEX_JUMPED', `descriptor ${next} is available while all ${size} are in flight`);
        break;
      }
      builder.begin(chains, i, segment);
      refused = !this.#walk(next, room, words[at], words[at + 1], words[at + 2], word);
      if (refused) break;
      segment = builder.end(i, this.#walkedId, this.#walkedSlots);
      room -= this.#walkedSlots;
      next += this.#walkedSlots;
      if (next >= size) {
        next -= size;
        expected ^= AVAIL_AND_USED;
      }
      i++;
    }

    const fetched = this.fetched(chains, i, segment, refused);
    this.#next = next;
    this.#nextWrap = expected === AVAIL ? 1 : 0;
    this.inFlight = size - room;
    if (this.builder.missed) this.lookAhead();
    return fetched;
  }

  fetchSingles(singles: SingleBurst, max: number, kind: SingleKind, least: number, most: number): number {
    singles.count = 0;
    singles.blocked = false;
    if (this.broken !== undefined) return 0;
    const words = this.#words;
    const ring = this.#ring;
    const size = this.size;
    let next = this.#next;
    let expected = this.#nextWrap === 1 ? AVAIL : USED;
    let word = Atomics.load(words, ring + (next << 2) + 3);
    if ((word & AVAIL_AND_USED) !== expected) return 0;

    const { prefix } = kind;
    const flags = kind.writable ? WRITE : 0;
    const shortest = least + prefix;
    const longest = most + prefix;
    const { window, low, high, bytes, startOffset } = this.builder;
    const { id, offset: offsets, length: lengths } = singles;
    const room = size - this.inFlight;
    const wanted = max < singles.capacity ? max : singles.capacity;
    const count = wanted < room ? wanted : room;
    let blocked = count < wanted;
    let i = 0;
    for (; i < count; i++) {
      const at = ring + (next << 2);
      word = acquires ? Atomics.load(words, at + 3) : words[at + 3];
      if ((word & AVAIL_AND_USED) !== expected) {
        blocked = false;
        break;
      }
      const length = words[at + 2];
      const offset = offsetInWindow(words[at], words[at + 1], length, low, high, bytes);
      if ((word & FLAGS) !== flags || length < shortest || length > longest || offset < 0) {
        blocked = true;
        break;
      }
      id[i] = word & 0xffff;
      offsets[i] = startOffset + offset + prefix;
      lengths[i] = length - prefix;
      if (++next === size) {
        next = 0;
        expected ^= AVAIL_AND_USED;
      }
    }
    singles.window = window;
    singles.writable = kind.writable;
    singles.prefix = prefix;
    singles.blocked = blocked;
    singles.count = i;
    this.#next = next;
    this.#nextWrap = expected === AVAIL ? 1 : 0;
    this.inFlight += i;
    return i;
  }

  /** Adds the descriptors of the chain at `position` to the builder, the first of them given by value. */
  #walk(position: number, room: number, low: number, high: number, length: number, word: number): boolean {
    const builder = this.builder;
    const words = this.#words;
    for (let slots = 1; ; slots++) {
      if (slots > room) {
        return builder.fail(
          'CHAIN_TOO_LONG',
          `a chain occupies more than the ${room} free slots of the ring`,
        );
      }
      this.#walkedSlots = slots;
      this.#walkedId = word & 0xffff;
      const flags = word >>> 16;
      const more = (flags & DESC_F_NEXT) !== 0;
      if ((flags & DESC_F_INDIRECT) !== 0) {
        return builder.addPackedTable(low, high, length, more, this.#indirectDirection);
      }
      if (!builder.addBuffer(low, high, length, (flags & DESC_F_WRITE) !== 0)) return false;
      if (!more) return true;
      if (++position === this.size) position = 0;
      const at = this.#ring + (position << 2);
      low = words[at];
      high = words[at + 1];
      length = words[at + 2];
      word = words[at + 3];
    }
  }

  refetch(chains: ChainBurst, saved: SavedChains, from: number, max: number): number {
    if (this.broken !== undefined) return 0;
    const builder = this.builder;
    builder.clear();
    const first = chains.count;
    const end = first + Math.min(max, chains.capacity - first, saved.count - from);
    let segment = chains.firstSegment[first];
    let i = first;
    for (let at = from; i < end; i++, at++) {
      builder.begin(chains, i, segment);
      if (!this.#walkSaved(saved.words, saved.first[at], saved.slots[at])) break;
      segment = builder.end(i, saved.id[at], saved.slots[at]);
    }
    return this.fetched(chains, i, segment, i < end);
  }

  /** Adds the descriptors of a chain that was noted down to the builder. */
  #walkSaved(words: Int32Array, first: number, slots: number): boolean {
    for (let at = first; at < first + 4 * slots; at += 4) {
      const flags = words[at + 3] >>> 16;
      const added =
        (flags & DESC_F_INDIRECT) !== 0
          ? this.builder.addPackedTable(
              words[at],
              words[at + 1],
              words[at + 2],
              slots > 1,
              this.#indirectDirection,
            )
          : this.builder.addBuffer(words[at], words[at + 1], words[at + 2], (flags & DESC_F_WRITE) !== 0);
      if (!added) return false;
    }
    return true;
  }

  unfetch(chains: ChainBurst, count: number): void {
    for (let i = 0; i < count; i++) {
      const slots = chains.slots[--chains.count];
      this.inFlight -= slots;
      this.#next -= slots;
      if (this.#next < 0) {
        this.#next += this.size;
        this.#nextWrap ^= 1;
      }
    }
  }

  complete(chains: ChainBurst, from: number, count: number): void {
    if (count === 0 || this.broken !== undefined) return;
    this.inFlight -= this.#used.complete(chains, from, count);
  }

  completeSingles(singles: SingleBurst, from = 0, count = singles.count): void {
    if (count === 0 || this.broken !== undefined) return;
    if (this.inOrder && !singles.writable) this.#used.completeBatch(singles.id[from + count - 1], count);
    else this.#used.completeSingles(singles, from, count);
    this.inFlight -= count;
  }

  describe(job: Int32Array): boolean {
    job[singlesJob.packed] = 1;
    job[singlesJob.inOrder] = this.inOrder ? 1 : 0;
    job[singlesJob.size] = this.size;
    job[singlesJob.tables] = this.builder.tablesFor(this.#indirectDirection);
    job[singlesJob.table] = this.#table.window;
    job[singlesJob.tableAt] = this.#table.offset;
    return true;
  }

  lend(job: Int32Array): void {
    job[singlesJob.next] = this.#next;
    job[singlesJob.nextWrap] = this.#nextWrap;
    job[singlesJob.done] = this.#used.done;
    job[singlesJob.doneWrap] = this.#used.doneWrap;
    job[singlesJob.room] = this.broken === undefined ? this.size - this.inFlight : 0;
    this.builder.lendWindow(job);
  }

  took(count: number): void {
    this.#pass(count);
    this.inFlight += count;
  }

  takeBack(count: number): void {
    this.#pass(count);
    this.#used.skip(count);
  }

  #pass(slots: number): void {
    this.#next += slots;
    if (this.#next < this.size) return;
    this.#next -= this.size;
    this.#nextWrap ^= 1;
  }

  pending(): number {
    return this.broken === undefined && this.#isAvailable() ? 1 : 0;
  }

  #isAvailable(): boolean {
    const word = Atomics.load(this.#words, this.#ring + (this.#next << 2) + 3);
    return (word & AVAIL_AND_USED) === (this.#nextWrap === 1 ? AVAIL : USED);
  }

  callNeeded(): boolean {
    const { done, doneWrap, unsignalled: slots } = this.#used;
    if (slots === 0) return false;
    const unknown = this.#signalledUnknown;
    this.#used.unsignalled = 0;
    this.#signalledUnknown = false;
    const event = Atomics.load(this.#driverEventWords, this.#driverEvent);
    const flags = (event >>> 16) & 3;
    if (!this.eventIdx || flags !== RING_EVENT_DESC) return flags !== RING_EVENT_DISABLE;
    // The lap of `done` is 0 to size - 1, the one before it is negative.
    const sameLap = ((event >>> 15) & 1) === doneWrap;
    const at = (event & 0x7fff) - (sameLap ? 0 : this.size);
    return unknown || slots > this.size || (at >= done - slots && at < done);
  }

  callWanted(): boolean {
    const event = Atomics.load(this.#driverEventWords, this.#driverEvent);
    return ((event >>> 16) & 3) !== RING_EVENT_DISABLE;
  }

  armKick(): boolean {
    const at = (this.#nextWrap << 15) | this.#next;
    const word = this.eventIdx ? (RING_EVENT_DESC << 16) | at : RING_EVENT_ENABLE << 16;
    Atomics.store(this.#deviceEventWords, this.#deviceEvent, word);
    return this.pending() > 0;
  }

  disarmKick(): void {
    this.#deviceEventWords[this.#deviceEvent] = RING_EVENT_DISABLE << 16;
  }

  usedAt(): number {
    return this.#used.done;
  }

  base(): number {
    const next = (this.#nextWrap << 15) | this.#next;
    const done = (this.#used.doneWrap << 15) | this.#used.done;
    return ((done << 16) | next) >>> 0;
  }
}

function baseError(base: number, where: string): VioError {
  return new VioError(`vring base 0x${(base >>> 0).toString(16)} lies ${where}`, {
    code: 'VIO_RING_BASE',
    remedy: 'Give the base the device reported when it stopped, or 0x80008000 for a fresh packed ring.',
  });
}
