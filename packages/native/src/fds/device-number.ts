/** A device as Linux numbers it: what drives it, and which of those. */
export interface DeviceNumber {
  /** Whose driver it is. */
  readonly major: number;
  /** Which of that driver's. */
  readonly minor: number;
}

/** @param number as `stat` has it in `rdev` and `dev` (major and minor of glibc), for numbers below 2^32 */
export function deviceNumberOf(number: number): DeviceNumber {
  return { major: (number >>> 8) & 0xfff, minor: (number & 0xff) | ((number >>> 12) & 0xfff00) };
}

/** @returns the number that `stat` has (makedev of glibc) */
export function statNumberOf({ major, minor }: DeviceNumber): number {
  return (((major & 0xfff) << 8) | (minor & 0xff) | ((minor & 0xfff00) << 12)) >>> 0;
}
