/**
 * One mapping seen as typed arrays. Offsets into a region are bytes from its start; they stay below 2^31, so
 * that offsets are small integers everywhere on the hot path.
 */
export class Region {
  /** Bytes. */
  readonly size: number;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  /** 32-bit words as signed integers: V8 keeps these unboxed; compare unsigned values with `>>> 0`. */
  readonly i32: Int32Array;

  constructor(readonlyBuffer: ArrayBuffer, byteOffset = 0, size = readonlyBuffer.byteLength - byteOffset) {
    if (size > maxRegionSize || byteOffset % 8 !== 0) {
      throw new RangeError(`a region is at most ${maxRegionSize} bytes and starts on a multiple of 8`);
    }
    this.size = size;
    this.u8 = new Uint8Array(readonlyBuffer, byteOffset, size);
    this.u16 = new Uint16Array(readonlyBuffer, byteOffset, size >>> 1);
    this.i32 = new Int32Array(readonlyBuffer, byteOffset, size >>> 2);
  }
}

/** The largest region in bytes: byte offsets must fit a signed 32-bit integer. */
export const maxRegionSize = 0x7fff_fff8;
