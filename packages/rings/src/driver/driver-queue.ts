import type { KernelNotes } from '@vio/native/internal';
import type { QueueFault } from '../fault.ts';
import type { RingFeatures, RingFormat } from '../format.ts';
import type { BufferPool } from '../memory/buffer-pool.ts';
import type { Region } from '../memory/region.ts';

/**
 * The driver side of one virtqueue, in one direction: every buffer it exposes is readable by the device
 * (`deviceWrites: false`, a transmit queue) or writable by it (`deviceWrites: true`, a receive queue).
 *
 * Hot path: `add`, `addChains`, `reap`, `kickNeeded`. They allocate nothing, never throw on what the device
 * wrote (the queue becomes `broken` instead) and publish once per call.
 */
export interface DriverQueue {
  /** Layout of the ring. */
  readonly format: RingFormat;
  /** The device uses buffers in the order in which they became available. */
  readonly inOrder: boolean;
  /** Where a backend finds the parts of the ring: byte offsets in the region. */
  readonly addresses: VringAddresses;
  /** Descriptors in the ring. */
  readonly size: number;
  /** Descriptors that can still be added. */
  readonly free: number;
  /** Buffers (chains) the device holds at this moment. */
  readonly outstanding: number;
  /** Set once, by the call that found the device misbehaving; from then on nothing moves. */
  readonly broken: QueueFault | undefined;

  /**
   * Exposes up to `count` buffers of one segment and makes them available with one release store. Entry i is
   * `length[i] + prefix` bytes from region offset `offset[i] - prefix` on: `prefix` bytes of headroom belong to
   * the buffer (a header that lives in front of the data).
   *
   * @param token kept and given back by `reap`: 0 or more, usually a pool buffer index
   * @returns how many were added, 0 to `count`: fewer when the ring is full
   */
  add(
    token: Int32Array,
    offset: Int32Array,
    length: Int32Array,
    from: number,
    count: number,
    prefix: number,
  ): number;

  /**
   * Exposes empty buffers of a pool: like `add`, with the buffer's index as the token, and its place worked out from
   * it: `bytes` bytes from `base + token * stride` on, all of them in the region.
   */
  addBuffers(
    token: Int32Array,
    from: number,
    count: number,
    base: number,
    stride: number,
    bytes: number,
  ): number;

  /**
   * Like `add` for packets of several segments: entry i starts at pool buffer `buffer[i]` and follows
   * `pool.next`; its segments are `pool.dataOffset` / `pool.dataLength`. The first is extended by `prefix` bytes
   * in front, or, when the queue was built with `separatePrefix`, preceded by a descriptor for the prefix alone.
   * A chain becomes one indirect descriptor where negotiated and not longer than the table, else direct ones.
   *
   * @param segments number of segments of each entry
   */
  addChains(
    buffer: Int32Array,
    segments: Int32Array,
    pool: BufferPool,
    from: number,
    count: number,
    prefix: number,
  ): number;

  /**
   * Takes back up to `max` buffers the device has used.
   * @param token receives what `add` was given (for `addChains`: the first buffer's index)
   * @param length receives the bytes the device says it wrote, as it says it (validate before use); undefined when nobody
   *   wants to know, as with a transmit queue
   * @param from index of the first entry to fill in both arrays
   * @returns how many, 0 to `max`
   */
  reap(token: Int32Array, length: Int32Array | undefined, from: number, max: number): number;

  /** Whether the device has used a buffer that was not taken back; costs one acquire load. False of a broken queue. */
  usedWaiting(): boolean;

  /**
   * Says to a kernel what does not change: format, size, where the parts of the ring are (`driverJob`).
   * @returns the queue's own notes, which it shares with the kernel; undefined when it has to write every descriptor itself
   * @internal For kernels.
   */
  describe(job: Int32Array): KernelNotes | undefined;

  /**
   * Lends the ring to a kernel for one run: writes into the job where the queue stands.
   * @internal For kernels.
   */
  lend(job: Int32Array): void;

  /**
   * Takes the ring back from a kernel: goes on where the job says it stands.
   * @internal For kernels.
   */
  takeBack(job: Int32Array): void;

  /** True if the device asked to be notified of what has been added since the last call (spec 2.7.10, 2.8.10). */
  kickNeeded(): boolean;

  /**
   * Asks the device for an interrupt on the next used buffer.
   * @returns true if used buffers are already waiting: poll again, no interrupt will come for those; false of a broken queue.
   */
  armInterrupt(): boolean;
  /** Asks the device for silence (a hint: spurious interrupts must be tolerated). */
  disarmInterrupt(): void;

  /**
   * Where the next buffer will go, as a driver says with NOTIFICATION_DATA (spec 2.9): of a packed ring the offset and,
   * in bit 15, the wrap counter; of a split ring the avail index.
   */
  nextAvailable(): number;

  /**
   * Where the device has got to, what `reap` has not taken yet included: the vhost-user vring base that a backend must
   * be told to continue there (packed: both halves with wrap bit). Of a broken queue, where it broke.
   */
  base(): number;

  /** What the device holds, for whoever wants to see it: split, the heads' descriptor indexes; packed, buffer ids. */
  held(): number[];

  /**
   * After the device was stopped: takes back every buffer it still held, in no particular order.
   * @returns the number of tokens written to `token`
   */
  reclaim(token: Int32Array): number;
}

/** Where a driver queue lives and how it behaves; fixed for its life. */
export interface DriverQueueOptions {
  /** The memory of the ring, and of the buffers. */
  readonly region: Region;
  /** Byte offset of the virtqueue in the region, on a multiple of 4096. `driverQueueBytes` of them are used. */
  readonly offset: number;
  /** Descriptors: split, a power of two up to 32768; packed, 1 to 32768. */
  readonly size: number;
  /** What was negotiated for the ring. */
  readonly features: RingFeatures;
  /** The device writes the buffers (a receive queue); else it reads them. */
  readonly deviceWrites: boolean;
  /** Legacy framing: the prefix gets a descriptor of its own (no ANY_LAYOUT, no VERSION_1). Default false. */
  readonly separatePrefix?: boolean;
  /** True when another thread has built this queue already, for its memory only: what is there stays. Default false. */
  readonly prepared?: boolean;
  /** Descriptors per indirect table, default 8; used only with INDIRECT_DESC. */
  readonly indirectEntries?: number;
}

/** Byte offsets in the region that a backend is told in SET_VRING_ADDR (packed: ring, driver event, device event). */
export interface VringAddresses {
  /** The descriptor table, or the packed ring. */
  readonly descriptors: number;
  /** The driver area: the avail ring, or the driver's event suppression. */
  readonly driver: number;
  /** The device area: the used ring, or the device's event suppression. */
  readonly device: number;
}
