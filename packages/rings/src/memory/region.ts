import type { CopyEngine } from '@vio/native/internal';

/**
 * One mapping seen as typed arrays. Offsets into a region are bytes from its start; they stay below 2^31, so
 * that offsets are small integers everywhere on the hot path.
 */
export class Region {
  /** Bytes. */
  readonly size: number;
  /** What it is a part of; offset 0 lies `u8.byteOffset` bytes into it. */
  readonly arrayBuffer: ArrayBuffer;
  /** Its bytes. */
  readonly u8: Uint8Array;
  /** Its 16-bit words. */
  readonly u16: Uint16Array;
  /** 32-bit words as signed integers: V8 keeps these unboxed; compare unsigned values with `>>> 0`. */
  readonly i32: Int32Array;
  /**
   * The address by which a device knows offset 0, in two halves: descriptors carry it plus the offset. 0 where offsets
   * themselves are the addresses, as with every backend that maps the file.
   */
  readonly addressLow: number;
  /** Upper 32 bits of that address. */
  readonly addressHigh: number;

  /** @param address by which a device knows offset 0; the region must not cross a multiple of 4 GiB there */
  constructor(
    arrayBuffer: ArrayBuffer,
    byteOffset = 0,
    size = arrayBuffer.byteLength - byteOffset,
    address = 0n,
  ) {
    if (size > maxRegionSize || byteOffset % 8 !== 0) {
      throw new RangeError(`a region is at most ${maxRegionSize} bytes and starts on a multiple of 8`);
    }
    if (address < 0n || address >> 32n !== (address + BigInt(Math.max(size, 1)) - 1n) >> 32n) {
      throw new RangeError(`a region at address 0x${address.toString(16)} crosses a multiple of 4 GiB`);
    }
    this.size = size;
    this.addressLow = Number(address & 0xffff_ffffn) | 0;
    this.addressHigh = Number(address >> 32n) | 0;
    this.arrayBuffer = arrayBuffer;
    this.u8 = new Uint8Array(arrayBuffer, byteOffset, size);
    this.u16 = new Uint16Array(arrayBuffer, byteOffset, size >>> 1);
    this.i32 = new Int32Array(arrayBuffer, byteOffset, size >>> 2);
  }
}

/** The largest region in bytes: byte offsets must fit a signed 32-bit integer. */
export const maxRegionSize = 0x7fff_fff8;

/**
 * Makes a region known to a copy engine: offsets of its copies are those of the region.
 * @returns its handle in ops
 * @throws TypeError when it lies in shared memory of JavaScript's own kind, which no device can see
 */
export function registerRegion(engine: CopyEngine, { arrayBuffer, u8, size }: Region): number {
  if (!(arrayBuffer instanceof ArrayBuffer)) throw new TypeError('packet memory must be an ArrayBuffer');
  return engine.register(arrayBuffer, u8.byteOffset, size);
}
