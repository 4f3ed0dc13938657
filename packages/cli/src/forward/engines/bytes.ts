/** Exchanges the `bytes` bytes at `at`, of a packet where it lies, with those behind them. */
export function exchange(u8: Uint8Array, at: number, bytes: number): void {
  for (let k = at; k < at + bytes; k++) {
    const first = u8[k];
    u8[k] = u8[k + bytes];
    u8[k + bytes] = first;
  }
}
