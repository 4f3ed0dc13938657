import { maxRegionSize, type Region } from './region.ts';

/** One piece of the driver's memory as this process sees it. Windows are below 2 GiB, so offsets stay small. */
export interface MemoryWindow {
  /** The memory, as this process sees it. */
  readonly region: Region;
  /** Address of the first byte in the driver's guest-physical (or I/O virtual) space; below 2^53. */
  readonly guestAddress: number;
  /** Address of the first byte in the frontend process; below 2^53. */
  readonly userAddress: number;
  /** Bytes, at least 1 and, with `reach`, at most what the region has. */
  readonly size: number;
  /**
   * Bytes behind those that belong to the next window of the same memory, and that the region has as well: what lies
   * across the border of the two is in one window all the same. Default 0.
   */
  readonly reach?: number;
  /** Bytes of the region, said by a window that makes it only when it is asked for. Default: `region.size`. */
  readonly regionSize?: number;
}

/** A window whose region is made when it is first asked for: most windows of a large memory never are. */
export class LateWindow implements MemoryWindow {
  readonly guestAddress: number;
  readonly userAddress: number;
  readonly size: number;
  readonly reach: number;
  readonly regionSize: number;
  readonly #make: () => Region;
  #region: Region | undefined;

  /** @param make gives a region of `size` and `reach` bytes */
  constructor(place: Omit<Required<MemoryWindow>, 'region' | 'regionSize'>, make: () => Region) {
    this.guestAddress = place.guestAddress;
    this.userAddress = place.userAddress;
    this.size = place.size;
    this.reach = place.reach;
    this.regionSize = place.size + place.reach;
    this.#make = make;
  }

  /** The region, which is made when it is first asked for. */
  get region(): Region {
    return (this.#region ??= this.#make());
  }
}

/**
 * The driver's memory, sorted by guest address, for translating what descriptors say. Immutable: a change of the
 * memory table builds a new map. The hot path of a device queue inlines the lookup over the public arrays.
 */
export class MemoryMap {
  /** Ascending by guest address; windows may touch, but do not overlap (what they reach beyond their size aside). */
  readonly windows: readonly MemoryWindow[];
  /** Guest address of each window. */
  readonly guestBase: Float64Array;
  /** The same in halves, as a descriptor has it: `guestHigh * 2^32 + (guestLow >>> 0)`. */
  readonly guestLow: Int32Array;
  /** Upper 32 bits of the guest address of each window. */
  readonly guestHigh: Int32Array;
  /** Bytes of each window, with those it reaches of the next. */
  readonly size: Int32Array;

  /** @throws RangeError when two windows overlap in guest addresses, or one does not fit its region or 2^53 */
  constructor(windows: readonly MemoryWindow[]) {
    this.windows = windows.toSorted((a, b) => a.guestAddress - b.guestAddress);
    this.guestBase = Float64Array.from(this.windows, (w) => w.guestAddress);
    this.guestLow = Int32Array.from(this.windows, (w) => w.guestAddress | 0);
    this.guestHigh = Int32Array.from(this.windows, (w) => Math.floor(w.guestAddress / 0x1_0000_0000));
    this.size = Int32Array.from(this.windows, (w) => w.size + (w.reach ?? 0));
    for (const [i, w] of this.windows.entries()) {
      const previous = this.windows[i - 1];
      const room = Math.min(w.regionSize ?? w.region.size, maxRegionSize);
      if (!Number.isInteger(w.size) || w.size < 1 || w.size + (w.reach ?? 0) > room) {
        throw new RangeError(`a memory window of ${w.size} bytes does not fit its region of ${room} bytes`);
      }
      if (!isSpan(w.guestAddress, w.size) || !isSpan(w.userAddress, w.size)) {
        throw new RangeError(
          `a memory window of ${w.size} bytes starts or ends outside the addresses 0 to 2^53`,
        );
      }
      if (previous !== undefined && previous.guestAddress + previous.size > w.guestAddress) {
        throw new RangeError(`memory windows overlap at guest address 0x${w.guestAddress.toString(16)}`);
      }
    }
  }

  /**
   * Finds the window that holds the byte at a guest address, by bisection: a memory table has up to 509 entries.
   * @returns index into `windows`, -1 when the address is in none
   */
  find(address: number): number {
    const base = this.guestBase;
    let from = 0;
    let to = base.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (base[middle] <= address) from = middle + 1;
      else to = middle;
    }
    const window = from - 1;
    return window >= 0 && address - base[window] < this.size[window] ? window : -1;
  }

  /** Finds `length` contiguous bytes at a guest address; undefined if they are not in one window. Control plane only. */
  fromGuest(address: number, length: number): { window: number; offset: number } | undefined {
    return this.#contiguous(address, length, (w) => w.guestAddress);
  }

  /** Finds `length` contiguous bytes at a frontend user address (SET_VRING_ADDR); undefined if not in one window. */
  fromUser(address: number, length: number): { window: number; offset: number } | undefined {
    return this.#contiguous(address, length, (w) => w.userAddress);
  }

  #contiguous(address: number, length: number, base: (w: MemoryWindow) => number) {
    const window = this.windows.findIndex(
      (w) => address >= base(w) && address + length <= base(w) + w.size + (w.reach ?? 0),
    );
    const found = this.windows[window];
    return found === undefined ? undefined : { window, offset: address - base(found) };
  }
}

function isSpan(start: number, size: number): boolean {
  return Number.isSafeInteger(start) && start >= 0 && Number.isSafeInteger(start + size);
}
