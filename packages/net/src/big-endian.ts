// Numbers of packets where they lie, in network byte order.

/** The 16-bit number at a byte, most significant byte first. */
export function be16(u8: Uint8Array, at: number): number {
  return (u8[at] << 8) | u8[at + 1];
}

/** The 32-bit number at a byte, most significant byte first, signed. */
export function be32(u8: Uint8Array, at: number): number {
  return (u8[at] << 24) | (u8[at + 1] << 16) | (u8[at + 2] << 8) | u8[at + 3];
}

/** Stores the lower 16 bits of a number at a byte, most significant byte first. */
export function putBe16(u8: Uint8Array, at: number, value: number): void {
  u8[at] = (value >>> 8) & 0xff;
  u8[at + 1] = value & 0xff;
}
