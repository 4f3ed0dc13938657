/** For `JSON.stringify`: feature masks are bigints; JSON has none, so they are written as hexadecimal strings. */
export function jsonValue(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `0x${value.toString(16)}` : value;
}
