import type { DirtyLog } from '../memory/dirty-log.ts';
import type { QueueFault } from '../fault.ts';
import type { RingFeatures, RingFormat } from '../format.ts';
import type { Translation } from '../memory/iotlb.ts';
import type { MemoryMap } from '../memory/memory-map.ts';
import type { IndirectDirection } from './chain-builder.ts';
import type { ChainBurst } from './chain-burst.ts';
import type { SavedChains } from './saved-chains.ts';
import type { SingleBurst, SingleKind } from './single-burst.ts';

/**
 * The device side of one virtqueue. Descriptors are copied once, the copy is validated and translated through a
 * `MemoryMap`; a driver that writes nonsense breaks its queue and nothing else.
 */
export interface DeviceQueue {
  /** Layout of the ring. */
  readonly format: RingFormat;
  /** Descriptors. */
  readonly size: number;
  /** Why the queue stopped; undefined while it runs. */
  readonly broken: QueueFault | undefined;
  /** True when another device was at work on the ring before. */
  readonly resumed: boolean;
  /**
   * Where it is marked what is written for the driver; undefined: nowhere. A kernel that is lent the ring marks there, too.
   * @internal For `@vio/vhost`.
   */
  readonly log: DirtyLog | undefined;

  /**
   * Takes up to `max` available chains, in order, into `chains` (from entry 0 on; `chains.count` is set).
   * @returns how many, 0 to `max`; 0 forever once broken
   */
  fetch(chains: ChainBurst, max: number): number;

  /**
   * Takes more of them, behind those in `chains`, which are of the last fetch and may be completed in part already.
   * @returns how many, 0 to `max`; with 0 `chains.full` says whether it is the burst that has no room
   */
  fetchMore(chains: ChainBurst, max: number): number;

  /**
   * Takes the available chains up to the first that is not one direct descriptor of this kind, in the window used
   * last, with `least` to `most` bytes behind the prefix; no more than `max`. This is the fast way for what most
   * drivers send most of the time; whatever stops it (`singles.blocked`) is for `fetch`, which takes everything.
   * @returns how many, which is also `singles.count`
   * @internal For `@vio/vhost`.
   */
  fetchSingles(singles: SingleBurst, max: number, kind: SingleKind, least: number, most: number): number;

  /**
   * Marks chains of the burst used, with `singles.written[i]` bytes written each; see `complete`. By default all of them.
   * @internal For `@vio/vhost`.
   */
  completeSingles(singles: SingleBurst, from?: number, count?: number): void;

  /**
   * Says to a kernel what does not change: format, size, and where the parts of the ring are, each as window of the
   * memory map and offset there (`singlesJob`).
   * @returns false when the queue has to see every chain itself; `lend` is not for it then
   * @internal For kernels.
   */
  describe(job: Int32Array): boolean;

  /**
   * Lends the ring to a kernel for one run: writes into the job where the queue stands, and the window used last.
   * @internal For kernels.
   */
  lend(job: Int32Array): void;

  /**
   * The window of the memory map in which the fast ways look first: that of the last buffer that was looked up.
   * @internal For `@vio/vhost`.
   */
  readonly window: number;

  /**
   * Has them look in another one first; not for a queue with a translation.
   * @internal For `@vio/vhost`.
   */
  lookIn(window: number): void;

  /**
   * The kernel has taken chains of one descriptor each, which are completed later. @param count how many
   * @internal For kernels.
   */
  took(count: number): void;

  /**
   * The kernel has taken and completed chains. @param count ring slots they occupied: split, one each
   * @internal For kernels.
   */
  takeBack(count: number): void;

  /**
   * Takes chains that a predecessor had fetched and not completed, as it noted them down: `saved` from entry `from` on,
   * up to `max` of them, behind those in `chains`. They are completed like others, and not given back by `unfetch`.
   * @returns how many, 0 to `max`; 0 forever once broken
   * @internal For a tracked queue.
   */
  refetch(chains: ChainBurst, saved: SavedChains, from: number, max: number): number;

  /** Gives back the last `count` of the fetched chains, unused: the next `fetch` sees them again. */
  unfetch(chains: ChainBurst, count: number): void;

  /**
   * Marks chains `from` to `from + count - 1` of the burst used, with `chains.written[i]` bytes written each, and
   * publishes them with one release store. Chains must be completed in the order fetched when IN_ORDER is on.
   */
  complete(chains: ChainBurst, from: number, count: number): void;

  /** Available chains not fetched yet, at most `size`; a hint, costs one acquire load. */
  pending(): number;

  /** True if the driver asked to be interrupted for what was completed since the last call. */
  callNeeded(): boolean;

  /**
   * True unless the driver does not want to be interrupted at all. On a `resumed` ring such a driver is interrupted once:
   * whether the predecessor came to do so for the last buffers it completed is not known.
   */
  callWanted(): boolean;

  /**
   * Asks the driver to kick on the next available buffer.
   * @returns true if buffers are already waiting: fetch again, no kick will come for those.
   */
  armKick(): boolean;
  /** Asks the driver for silence (polling). */
  disarmKick(): void;

  /** Where the next used one goes: an entry of the used ring, or a slot of the packed ring, 0 to `size - 1`. */
  usedAt(): number;

  /** True when the next chain waits for a translation that was asked for; false without an I/O MMU. */
  readonly missing: boolean;
  /** Translations have changed: nothing that was found by them is used any more. */
  translationsChanged(): void;
  /** Asks for what is missing of the translations of the next chains. */
  lookAhead(): void;

  /** The vhost-user vring base: split, next available index; packed, both halves with wrap bits. */
  base(): number;
}

/** Where the driver's rings are, in the device's own coordinates: a window of the map and a byte offset in it. */
export interface DeviceVringAddresses {
  /** The descriptor table, or the packed ring. */
  readonly descriptors: WindowOffset;
  /** The driver area: the avail ring, or the driver's event suppression. */
  readonly driver: WindowOffset;
  /** The device area: the used ring, or the device's event suppression. */
  readonly device: WindowOffset;
}

/** A place in the driver's memory. */
export interface WindowOffset {
  /** Index into `MemoryMap.windows`. */
  readonly window: number;
  /** Bytes. */
  readonly offset: number;
}

/** What a device queue works on. */
export interface DeviceQueueOptions {
  /** The driver's memory. */
  readonly memory: MemoryMap;
  /** Where the parts of the ring are. */
  readonly addresses: DeviceVringAddresses;
  /** Descriptors. Split: a power of two up to 32768; packed: 1 to 32768. */
  readonly size: number;
  /** What was negotiated for the ring. */
  readonly features: RingFeatures;
  /** Behind an I/O MMU (ACCESS_PLATFORM): where addresses of descriptors lead. Default: they are guest addresses. */
  readonly translation?: Translation | undefined;
  /**
   * Where to start, as in `DeviceQueue.base()`; for a fresh queue 0 (split) or 0x8000_8000 (packed). What it is ahead of the
   * used position (split: of `used.idx`) is in flight: chains for `refetch`, or given up.
   */
  readonly base: number;
  /**
   * Packed only: which way the buffers of an indirect table go, default 'flags' (their WRITE bits, spec 2.8.7). A
   * queue used in one direction should give that direction instead: DPDK's driver sets WRITE in the tables of its
   * transmit queue.
   */
  readonly indirectDirection?: IndirectDirection;
}
