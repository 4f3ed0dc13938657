import { Region, maxRegionSize } from './region.ts';

/** One piece of the driver's memory as this process sees it. Windows are at most 1 GiB, so offsets stay small. */
export interface MemoryWindow {
  readonly region: Region;
  /** Address of the first byte in the driver's guest-physical (or I/O virtual) space; below 2^53. */
  readonly guestAddress: number;
  /** Address of the first byte in the frontend process; below 2^53. */
  readonly userAddress: number;
  /** Bytes. */
  readonly size: number;
}

/**
 * The driver's memory, sorted by guest address, for translating what descriptors say. Immutable: a change of the
 * memory table builds a new map. The hot path of a device queue inlines the lookup over the public arrays.
 */
export class MemoryMap {
  readonly windows: readonly MemoryWindow[];
  /** Guest address of each window; windows.length entries, ascending. */
  readonly guestBase: Float64Array;
  /** Bytes of each window. */
  readonly size: Int32Array;

  /** @throws RangeError when two windows overlap in guest addresses or one is larger than a region may be */
  constructor(windows: readonly MemoryWindow[]) {
    this.windows = windows.toSorted((a, b) => a.guestAddress - b.guestAddress);
    this.guestBase = Float64Array.from(this.windows, (w) => w.guestAddress);
    this.size = Int32Array.from(this.windows, (w) => w.size);
    for (const [i, w] of this.windows.entries()) {
      const previous = this.windows[i - 1];
      if (w.size > maxRegionSize) throw new RangeError(`window ${i} is larger than ${maxRegionSize} bytes`);
      if (previous !== undefined && previous.guestAddress + previous.size > w.guestAddress) {
        throw new RangeError(`memory windows overlap at guest address 0x${w.guestAddress.toString(16)}`);
      }
    }
  }

  /** Finds `length` contiguous bytes at a guest address; null if they are not in one window. Control plane only. */
  fromGuest(address: number, length: number): { window: number; offset: number } | null {
    return this.#find(address, length, (w) => w.guestAddress);
  }

  /** Finds `length` contiguous bytes at a frontend user address (SET_VRING_ADDR); null if not in one window. */
  fromUser(address: number, length: number): { window: number; offset: number } | null {
    return this.#find(address, length, (w) => w.userAddress);
  }

  #find(address: number, length: number, base: (w: MemoryWindow) => number) {
    const window = this.windows.findIndex((w) => address >= base(w) && address + length <= base(w) + w.size);
    const found = this.windows[window];
    return found === undefined ? null : { window, offset: address - base(found) };
  }
}
