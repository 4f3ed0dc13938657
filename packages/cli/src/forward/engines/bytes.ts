// Bytes of packets where they lie.

export function be16(u8: Uint8Array, at: number): number {
  return (u8[at] << 8) | u8[at + 1];
}

export function putBe16(u8: Uint8Array, at: number, value: number): void {
  u8[at] = value >>> 8;
  u8[at + 1] = value & 0xff;
}

/** Exchanges the `bytes` bytes at `at` with those behind them. */
export function exchange(u8: Uint8Array, at: number, bytes: number): void {
  for (let k = at; k < at + bytes; k++) {
    const first = u8[k];
    u8[k] = u8[k + bytes];
    u8[k + bytes] = first;
  }
}
