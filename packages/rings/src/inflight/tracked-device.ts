import type { QueueFault } from '../fault.ts';
import type { RingFormat } from '../format.ts';
import type { ChainBurst } from '../device/chain-burst.ts';
import { createDeviceQueue } from '../device/create-device-queue.ts';
import type { DeviceQueue, DeviceQueueOptions } from '../device/device-queue.ts';
import { ringPart } from '../device/ring-part.ts';
import type { SavedChains } from '../device/saved-chains.ts';
import type { SingleBurst, SingleKind } from '../device/single-burst.ts';
import { checkRingSize } from '../layout/ring-size.ts';
import { QueueRegion } from './inflight-layout.ts';
import type { Journal, OpenedJournal } from './journal.ts';
import { PackedJournal } from './packed-journal.ts';
import { SplitJournal } from './split-journal.ts';

/** Memory that outlives the device, for its journal. */
export interface InflightMemory {
  /** The memory that the frontend keeps. */
  readonly buffer: ArrayBuffer;
  /** Bytes, a multiple of 8; `inflightBytes` from there on belong to the queue. */
  readonly offset: number;
}

/**
 * Builds the device side of a virtqueue like `createDeviceQueue`, one that notes down in `memory` which chains it has.
 * Where a predecessor left something there, the queue goes on exactly where that one ended, and `base` is not looked at.
 * @throws VioError VIO_RING_SIZE, VIO_RING_PART, VIO_RING_BASE, and VIO_RING_INFLIGHT when what is noted down makes no
 *   sense
 */
export function createTrackedDeviceQueue(options: DeviceQueueOptions, memory: InflightMemory): DeviceQueue {
  checkRingSize(options.features, options.size);
  const { journal, base, saved } = openJournal(options, memory);
  return new TrackedDevice(createDeviceQueue({ ...options, base }), journal, saved);
}

function openJournal(options: DeviceQueueOptions, { buffer, offset }: InflightMemory): OpenedJournal {
  const { size, features, addresses } = options;
  const area = new QueueRegion(buffer, offset, features.format, size);
  if (features.format === 'split') {
    const used = ringPart(options.memory, addresses.device, 'used ring', 4, 4);
    return SplitJournal.open(area, size, Atomics.load(used.u16, addresses.device.offset / 2 + 1));
  }
  const ring = ringPart(options.memory, addresses.descriptors, 'descriptor ring', 16 * size, 16);
  return PackedJournal.open(area, size, ring.i32, addresses.descriptors.offset / 4, options.base);
}

/** A device queue and its journal. Chains of a predecessor come first, by `fetch`. */
class TrackedDevice implements DeviceQueue {
  readonly format: RingFormat;
  readonly size: number;
  readonly log = undefined;
  readonly resumed: boolean;
  readonly #queue: DeviceQueue;
  readonly #journal: Journal;
  readonly #saved: SavedChains;
  /** Chains of `#saved` that were fetched. */
  #resumed = 0;
  /** Those of them at the front of the last fetch. */
  #resumedNow = 0;
  /** Slots of single chains. */
  readonly #ones: Int32Array;

  constructor(queue: DeviceQueue, journal: Journal, saved: SavedChains) {
    this.format = queue.format;
    this.size = queue.size;
    this.resumed = queue.resumed || saved.count > 0;
    this.#queue = queue;
    this.#journal = journal;
    this.#saved = saved;
    this.#ones = new Int32Array(queue.size).fill(1);
  }

  get broken(): QueueFault | undefined {
    return this.#queue.broken;
  }

  fetch(chains: ChainBurst, max: number): number {
    chains.clear();
    this.#resumedNow = 0;
    return this.fetchMore(chains, max);
  }

  fetchMore(chains: ChainBurst, max: number): number {
    if (this.#resumed < this.#saved.count) {
      const n = this.#queue.refetch(chains, this.#saved, this.#resumed, max);
      this.#resumed += n;
      this.#resumedNow += n;
      return n;
    }
    const from = chains.count;
    const n = this.#queue.fetchMore(chains, max);
    if (n > 0) this.#journal.fetched(chains.id, chains.slots, from, n);
    return n;
  }

  fetchSingles(singles: SingleBurst, max: number, kind: SingleKind, least: number, most: number): number {
    if (this.#resumed < this.#saved.count) {
      singles.count = 0;
      singles.blocked = this.broken === undefined;
      return 0;
    }
    const n = this.#queue.fetchSingles(singles, max, kind, least, most);
    if (n > 0) this.#journal.fetched(singles.id, this.#ones, 0, n);
    return n;
  }

  describe(): boolean {
    return false;
  }

  lend(): void {
    throw new TypeError('a queue with a journal notes down every chain: it is not for kernels');
  }

  took(): void {
    this.lend();
  }

  takeBack(): void {
    this.lend();
  }

  get window(): number {
    return this.#queue.window;
  }

  lookIn(window: number): void {
    this.#queue.lookIn(window);
  }

  refetch(chains: ChainBurst, saved: SavedChains, from: number, max: number): number {
    return this.#queue.refetch(chains, saved, from, max);
  }

  unfetch(chains: ChainBurst, count: number): void {
    const later = chains.count - this.#resumedNow;
    const fresh = count < later ? count : later;
    if (fresh > 0) {
      this.#journal.unfetched(chains.id, chains.slots, chains.count - fresh, fresh);
      this.#queue.unfetch(chains, fresh);
    }
    // Those of the predecessor stay noted down, and come again.
    const resumed = count - fresh;
    this.#resumed -= resumed;
    this.#resumedNow -= resumed;
    chains.count -= resumed;
  }

  complete(chains: ChainBurst, from: number, count: number): void {
    if (count === 0 || this.broken !== undefined) return;
    this.#journal.using(chains.id, chains.slots, from, count);
    this.#queue.complete(chains, from, count);
    this.#journal.used(chains.id, from, count);
  }

  completeSingles(singles: SingleBurst, from = 0, count = singles.count): void {
    if (count === 0 || this.broken !== undefined) return;
    this.#journal.using(singles.id, this.#ones, from, count);
    this.#queue.completeSingles(singles, from, count);
    this.#journal.used(singles.id, from, count);
  }

  pending(): number {
    const left = this.#saved.count - this.#resumed;
    return left > 0 && this.broken === undefined ? left : this.#queue.pending();
  }

  callNeeded(): boolean {
    return this.#queue.callNeeded();
  }

  callWanted(): boolean {
    return this.#queue.callWanted();
  }

  armKick(): boolean {
    return this.#queue.armKick() || this.pending() > 0;
  }

  disarmKick(): void {
    this.#queue.disarmKick();
  }

  usedAt(): number {
    return this.#queue.usedAt();
  }

  get missing(): boolean {
    return this.#queue.missing;
  }

  translationsChanged(): void {
    this.#queue.translationsChanged();
  }

  lookAhead(): void {
    this.#queue.lookAhead();
  }

  base(): number {
    return this.#queue.base();
  }
}
