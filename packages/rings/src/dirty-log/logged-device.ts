import { singlesJob } from '@vio/native/internal';
import type { QueueFault } from '../fault.ts';
import type { RingFormat } from '../format.ts';
import type { ChainBurst } from '../device/chain-burst.ts';
import type { DeviceQueue, DeviceVringAddresses, WindowOffset } from '../device/device-queue.ts';
import type { SavedChains } from '../device/saved-chains.ts';
import type { SingleBurst, SingleKind } from '../device/single-burst.ts';
import { descriptorBytes } from '../layout/descriptor.ts';
import type { MemoryMap } from '../memory/memory-map.ts';
import type { DirtyLog } from '../memory/dirty-log.ts';

/** What of a ring's writes is marked, and where. */
export interface LoggedDeviceOptions {
  /** Where pages are marked that were written. */
  readonly log: DirtyLog;
  /** The driver's memory: its guest addresses are what the log knows. */
  readonly memory: MemoryMap;
  /** Where the parts of the ring are. */
  readonly addresses: DeviceVringAddresses;
  /** Where the device area is in the eyes of the log (SET_VRING_ADDR), if that is not where it lies. */
  readonly deviceAddress?: number;
  /** All that a chain has room for counts as written, whatever is said of it when it is completed. Default false. */
  readonly whole?: boolean;
}

/**
 * A device queue of a guest that is on the move: what is written for its driver is marked in a log, data before it is marked
 * used, and the ring after that. It is put around a queue, and taken off, while that runs; rings without it carry none of
 * its cost.
 */
export class LoggedDevice implements DeviceQueue {
  readonly format: RingFormat;
  readonly size: number;
  readonly resumed: boolean;
  /** The queue without it. */
  readonly bare: DeviceQueue;
  readonly log: DirtyLog;
  readonly #memory: MemoryMap;
  readonly #whole: boolean;
  /** Guest address of the packed ring, and where the device area is: one address or two. */
  readonly #ring: number;
  readonly #device: readonly number[];

  constructor(queue: DeviceQueue, options: LoggedDeviceOptions) {
    const { log, memory, addresses, deviceAddress, whole = false } = options;
    this.bare = queue;
    this.format = queue.format;
    this.size = queue.size;
    this.resumed = queue.resumed;
    this.log = log;
    this.#memory = memory;
    this.#whole = whole;
    const guest = ({ window, offset }: WindowOffset): number => memory.guestBase[window] + offset;
    this.#ring = guest(addresses.descriptors);
    const device = guest(addresses.device);
    const apart = deviceAddress !== undefined && deviceAddress !== device;
    this.#device = apart ? [device, deviceAddress] : [device];
    // What was written there before the log was known.
    this.markUsed(0, this.#usedBytes);
    this.#markEvents();
  }

  get broken(): QueueFault | undefined {
    return this.bare.broken;
  }

  /** Marks what was written to the used ring, or to the packed ring, from that byte on. */
  markUsed(offset: number, bytes: number): void {
    if (this.format === 'packed') this.log.mark(this.#ring + offset, bytes);
    else for (const device of this.#device) this.log.mark(device + offset, bytes);
  }

  fetch(chains: ChainBurst, max: number): number {
    return this.bare.fetch(chains, max);
  }

  fetchMore(chains: ChainBurst, max: number): number {
    return this.bare.fetchMore(chains, max);
  }

  fetchSingles(singles: SingleBurst, max: number, kind: SingleKind, least: number, most: number): number {
    return this.bare.fetchSingles(singles, max, kind, least, most);
  }

  /** A kernel marks in one place only. */
  describe(job: Int32Array): boolean {
    if (this.#device.length > 1 || !this.bare.describe(job)) return false;
    const at = this.format === 'packed' ? this.#ring : this.#device[0];
    job[singlesJob.logRingLow] = at | 0;
    job[singlesJob.logRingHigh] = Math.floor(at / 0x1_0000_0000);
    return true;
  }

  lend(job: Int32Array): void {
    this.bare.lend(job);
    const window = job[singlesJob.data];
    const data = this.#memory.guestBase[window] + job[singlesJob.dataAt];
    job[singlesJob.logDataLow] = data | 0;
    job[singlesJob.logDataHigh] = Math.floor(data / 0x1_0000_0000);
  }

  get window(): number {
    return this.bare.window;
  }

  lookIn(window: number): void {
    this.bare.lookIn(window);
  }

  took(count: number): void {
    this.bare.took(count);
  }

  takeBack(count: number): void {
    this.bare.takeBack(count);
    this.log.onMarked?.();
  }

  refetch(chains: ChainBurst, saved: SavedChains, from: number, max: number): number {
    return this.bare.refetch(chains, saved, from, max);
  }

  unfetch(chains: ChainBurst, count: number): void {
    if (this.#whole) for (let i = 1; i <= count; i++) this.#markChain(chains, chains.count - i);
    this.bare.unfetch(chains, count);
  }

  complete(chains: ChainBurst, from: number, count: number): void {
    if (count <= 0 || this.broken !== undefined) return;
    let slots = 0;
    for (let i = from; i < from + count; i++) {
      this.#markChain(chains, i);
      slots += chains.slots[i];
    }
    const at = this.bare.usedAt();
    this.bare.complete(chains, from, count);
    this.#markSlots(at, slots);
    this.log.onMarked?.();
  }

  completeSingles(singles: SingleBurst, from = 0, count = singles.count): void {
    const { window, offset, written, prefix } = singles;
    if (count === 0 || this.broken !== undefined) return;
    if (singles.writable) {
      const start = this.#memory.guestBase[window] - prefix;
      for (let i = from; i < from + count; i++) this.log.mark(start + offset[i], written[i]);
    }
    const at = this.bare.usedAt();
    this.bare.completeSingles(singles, from, count);
    this.#markSlots(at, count);
    this.log.onMarked?.();
  }

  pending(): number {
    return this.bare.pending();
  }

  get missing(): boolean {
    return this.bare.missing;
  }

  translationsChanged(): void {
    this.bare.translationsChanged();
  }

  lookAhead(): void {
    this.bare.lookAhead();
  }

  callNeeded(): boolean {
    return this.bare.callNeeded();
  }

  callWanted(): boolean {
    return this.bare.callWanted();
  }

  armKick(): boolean {
    const waiting = this.bare.armKick();
    this.#markEvents();
    return waiting;
  }

  disarmKick(): void {
    this.bare.disarmKick();
    this.#markEvents();
  }

  usedAt(): number {
    return this.bare.usedAt();
  }

  base(): number {
    return this.bare.base();
  }

  get #usedBytes(): number {
    return this.format === 'packed' ? descriptorBytes * this.size : 4 + 8 * this.size;
  }

  #markChain({ firstSegment, readable, written, window, offset, length }: ChainBurst, i: number): void {
    const end = firstSegment[i + 1];
    let left = this.#whole ? Number.POSITIVE_INFINITY : written[i];
    for (let segment = firstSegment[i] + readable[i]; segment < end && left > 0; segment++) {
      const bytes = length[segment] < left ? length[segment] : left;
      this.log.mark(this.#memory.guestBase[window[segment]] + offset[segment], bytes);
      left -= bytes;
    }
  }

  /** What says that so many buffers are used, from an entry of the used ring, or a slot of the packed one, on. */
  #markSlots(at: number, count: number): void {
    const front = this.format === 'packed' ? 0 : 4;
    const each = this.format === 'packed' ? descriptorBytes : 8;
    const first = count < this.size - at ? count : this.size - at;
    this.markUsed(front + each * at, each * first);
    if (count > first) this.markUsed(front, each * (count - first));
    if (front > 0) this.markUsed(2, 2);
  }

  /** What tells the driver whether to kick: flags, and with EVENT_IDX the index behind the ring. */
  #markEvents(): void {
    for (const device of this.#device) {
      this.log.mark(device, 4);
      if (this.format === 'split') this.log.mark(device + this.#usedBytes, 2);
    }
  }
}
