const prefixes = ['', 'k', 'M', 'G', 'T', 'P'];
const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** A number with three digits and a prefix, as in `12.3 M`. */
export function short(value: number, unit = ''): string {
  let power = 0;
  let left = value;
  while (left >= 999.5 && power < prefixes.length - 1) {
    left /= 1000;
    power++;
  }
  const digits = left >= 99.5 || Number.isInteger(left) ? 0 : left >= 9.95 ? 1 : 2;
  return `${left.toFixed(digits)} ${prefixes[power]}${unit}`.trimEnd();
}

/** A count, every digit of it. */
export const count = (value: number): string => whole.format(value);

/** Microseconds in the unit that fits. */
export function duration(microseconds: number): string {
  if (microseconds === 0) return '0';
  if (microseconds >= 1e6) return `${(microseconds / 1e6).toFixed(2)} s`;
  if (microseconds >= 1000) return `${(microseconds / 1000).toFixed(microseconds >= 10_000 ? 0 : 1)} ms`;
  return `${microseconds.toFixed(microseconds >= 10 ? 0 : 1)} µs`;
}

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium', hourCycle: 'h23' });

/** The time of day, as in `13:04:05`. @param time milliseconds since 1970 */
export const timeOfDay = (time: number): string => clock.format(time);
