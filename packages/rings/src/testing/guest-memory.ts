import { MemoryMap } from '../memory/memory-map.ts';
import { Region } from '../memory/region.ts';

/**
 * Bytes and numbers by guest address, across windows, and a heap. For tests: every byte is looked up on its own,
 * which makes this the naive model that the queues' translation is compared with.
 */
export class GuestMemory {
  /** Guest address of window 0. */
  readonly base: number;
  readonly #map: MemoryMap;
  readonly #heap: number;
  #free: number;

  /** @param reserved bytes at the start of window 0 that the heap leaves alone */
  constructor(map: MemoryMap, reserved: number) {
    this.#map = map;
    this.base = map.windows[0].guestAddress;
    this.#heap = this.base + reserved;
    this.#free = this.#heap;
  }

  /**
   * Reserves bytes in window 0, on a multiple of 16. When it is full, the oldest are handed out again.
   * @returns their guest address
   * @throws RangeError for more than the window has
   */
  alloc(bytes: number): number {
    const end = this.base + this.#map.windows[0].size;
    let at = Math.ceil(this.#free / 16) * 16;
    if (at + bytes > end) at = Math.ceil(this.#heap / 16) * 16;
    if (at + bytes > end) throw new RangeError(`${bytes} bytes do not fit window 0`);
    this.#free = at + bytes;
    return at;
  }

  /** Puts bytes on the heap. @returns their guest address */
  put(content: string | Uint8Array): number {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    const address = this.alloc(bytes.length);
    bytes.forEach((byte, i) => this.setU8(address + i, byte));
    return address;
  }

  /** A copy of `length` bytes. */
  read(address: number, length: number): Uint8Array {
    return Uint8Array.from({ length }, (_, i) => this.u8(address + i));
  }

  /** Reads a byte. @param address guest address */
  u8(address: number): number {
    const [bytes, at] = this.#locate(address);
    return bytes[at];
  }

  /** Reads 16 bits. @param address guest address */
  u16(address: number): number {
    return this.u8(address) | (this.u8(address + 1) << 8);
  }

  /** Reads 32 bits, unsigned. @param address guest address */
  u32(address: number): number {
    return (this.u16(address) | (this.u16(address + 2) << 16)) >>> 0;
  }

  /** Writes a byte. @param address guest address */
  setU8(address: number, value: number): void {
    const [bytes, at] = this.#locate(address);
    bytes[at] = value;
  }

  /** Writes 16 bits. @param address guest address */
  setU16(address: number, value: number): void {
    this.setU8(address, value);
    this.setU8(address + 1, value >>> 8);
  }

  /** Writes 32 bits. @param address guest address */
  setU32(address: number, value: number): void {
    this.setU16(address, value);
    this.setU16(address + 2, value >>> 16);
  }

  /** Writes 16 bytes: the address, the length and the last word, whose meaning depends on the format. */
  setDescriptor(at: number, address: number | bigint, length: number, word3: number): void {
    const wide = BigInt.asUintN(64, BigInt(address));
    this.setU32(at, Number(wide & 0xffff_ffffn));
    this.setU32(at + 4, Number(wide >> 32n));
    this.setU32(at + 8, length);
    this.setU32(at + 12, word3);
  }

  #locate(address: number): [Uint8Array, number] {
    for (const window of this.#map.windows) {
      const offset = address - window.guestAddress;
      if (offset >= 0 && offset < window.size) return [window.region.u8, offset];
    }
    throw new RangeError(`guest address 0x${address.toString(16)} is in no window`);
  }
}

/** A memory map over fresh zeroed memory, one region per window. User addresses are guest addresses + 2^40. */
export function freshMemory(...windows: readonly { guestAddress: number; size: number }[]): MemoryMap {
  return new MemoryMap(
    windows.map(({ guestAddress, size }) => ({
      region: new Region(new ArrayBuffer(size)),
      guestAddress,
      userAddress: guestAddress + 2 ** 40,
      size,
    })),
  );
}
