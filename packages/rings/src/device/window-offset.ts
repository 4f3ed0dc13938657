/**
 * Where in a window of the driver's memory a buffer lies: the address minus the window's, 64 bits in halves, which is inside only
 * if the high half comes out as zero. For the one descriptor of a single; `ChainBuilder` finds the window of any other.
 * @param length bytes of the buffer, 0 or more @param bytes of the window
 * @returns -1: not wholly inside
 */
export function offsetInWindow(
  addressLow: number,
  addressHigh: number,
  length: number,
  low: number,
  high: number,
  bytes: number,
): number {
  const offset = (addressLow - low) | 0;
  const borrow = addressLow >>> 0 < low >>> 0 ? 1 : 0;
  return offset > bytes - length || ((addressHigh - high - borrow) | 0) !== 0 ? -1 : offset;
}
