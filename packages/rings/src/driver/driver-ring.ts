import { type KernelNotes, driverJob } from '@vio/native/internal';
import type { QueueFault, QueueFaultCode } from '../fault.ts';
import type { RingFormat } from '../format.ts';
import type { BufferPool } from '../memory/buffer-pool.ts';
import type { Region } from '../memory/region.ts';
import { type BufferNotes, bufferNotes, heldIds } from './buffer-notes.ts';
import type { DriverQueue, DriverQueueOptions, VringAddresses } from './driver-queue.ts';
import { IndirectTables, defaultIndirectEntries } from './indirect-tables.ts';

/** Where the parts of a ring lie from its start, in bytes, and how many they are together. */
export interface RingAreas extends VringAddresses {
  readonly bytes: number;
}

/**
 * What the driver sides of both formats have in common: the place of the ring, the notes of its buffers, and what a kernel is
 * told that does not change. What moves packets is written for each format.
 */
export abstract class DriverRing implements DriverQueue {
  abstract readonly format: RingFormat;
  abstract readonly inOrder: boolean;
  abstract readonly free: number;
  readonly size: number;
  readonly addresses: VringAddresses;
  outstanding = 0;
  broken: QueueFault | undefined;

  protected readonly region: Region;
  protected readonly i32: Int32Array;
  protected readonly u16: Uint16Array;
  protected readonly deviceWrites: boolean;
  protected readonly notes: BufferNotes;
  /** The first descriptor, as index of the region's words. */
  protected readonly desc: number;
  /** Where the region begins for the device. */
  protected readonly addressLow: number;
  protected readonly addressHigh: number;
  protected readonly eventIdx: boolean;
  protected readonly separatePrefix: boolean;
  protected readonly tables: IndirectTables | undefined;
  /** In the ring of free ids: the next to take, the next to fill. */
  protected idHead = 0;
  protected idTail = 0;
  /** Where the next used buffer appears. */
  protected lastUsed = 0;

  /** The memory of a ring that is not prepared is zero afterwards. */
  protected constructor(options: DriverQueueOptions, areas: RingAreas, split: boolean) {
    const { region, offset, size, features, deviceWrites } = options;
    this.size = size;
    this.addresses = {
      descriptors: offset + areas.descriptors,
      driver: offset + areas.driver,
      device: offset + areas.device,
    };
    this.region = region;
    this.i32 = region.i32;
    this.u16 = region.u16;
    this.deviceWrites = deviceWrites;
    this.notes = bufferNotes(size, split, features.inOrder && deviceWrites);
    this.desc = this.addresses.descriptors >>> 2;
    this.addressLow = region.addressLow;
    this.addressHigh = region.addressHigh;
    this.eventIdx = features.eventIdx;
    this.separatePrefix = options.separatePrefix ?? false;
    if (options.prepared !== true) region.u8.fill(0, offset, offset + areas.bytes);
    const tables = offset + ((areas.bytes + 15) & ~15);
    this.tables = features.indirect
      ? new IndirectTables(region, tables, options.indirectEntries ?? defaultIndirectEntries, size, split)
      : undefined;
  }

  add(
    token: Int32Array,
    offset: Int32Array,
    length: Int32Array,
    from: number,
    count: number,
    prefix: number,
  ): number {
    return this.expose(token, offset, length, from, count, -prefix, 0, prefix);
  }

  addBuffers(
    token: Int32Array,
    from: number,
    count: number,
    base: number,
    stride: number,
    bytes: number,
  ): number {
    return this.expose(token, undefined, undefined, from, count, base, stride, bytes);
  }

  abstract addChains(
    buffer: Int32Array,
    segments: Int32Array,
    pool: BufferPool,
    from: number,
    count: number,
    prefix: number,
  ): number;
  abstract reap(token: Int32Array, length: Int32Array | undefined, from: number, max: number): number;
  abstract usedWaiting(): boolean;
  abstract lend(job: Int32Array): void;
  abstract takeBack(job: Int32Array): void;
  abstract kickNeeded(): boolean;
  abstract armInterrupt(): boolean;
  abstract disarmInterrupt(): void;
  abstract nextAvailable(): number;
  abstract base(): number;
  abstract reclaim(token: Int32Array): number;

  held(): number[] {
    return heldIds(this.notes);
  }

  describe(job: Int32Array): KernelNotes | undefined {
    const { addresses } = this;
    job[driverJob.packed] = this.format === 'packed' ? 1 : 0;
    job[driverJob.inOrder] = this.inOrder ? 1 : 0;
    job[driverJob.size] = this.size;
    job[driverJob.deviceWrites] = this.deviceWrites ? 1 : 0;
    job[driverJob.eventIdx] = this.eventIdx ? 1 : 0;
    job[driverJob.addressLow] = this.addressLow;
    job[driverJob.addressHigh] = this.addressHigh;
    job[driverJob.descriptors] = addresses.descriptors;
    job[driverJob.driverArea] = addresses.driver;
    job[driverJob.deviceArea] = addresses.device;
    this.tables?.describe(job);
    return this.separatePrefix ? undefined : this.notes;
  }

  /** Exposes `base + offset[i]`, or `base + token[i] * stride`, with `length[i] + more` or `more` bytes. */
  protected abstract expose(
    token: Int32Array,
    offset: Int32Array | undefined,
    length: Int32Array | undefined,
    from: number,
    count: number,
    base: number,
    stride: number,
    more: number,
  ): number;

  protected break(code: QueueFaultCode, detail: string): void {
    this.broken = { code, detail };
  }
}
