const prefixes = ['', 'k', 'M', 'G', 'T'];

/** A number for a person: `0 pps`, `90 pps`, `14.9 kpps`, `1.23 Mpps`; three digits that count. */
export function withUnit(value: number, unit: string): string {
  let scaled = value;
  let step = 0;
  // What would be written as 1000 is 1 of the next.
  while (scaled >= 999.5 && step < prefixes.length - 1) {
    scaled /= 1000;
    step++;
  }
  const digits = step === 0 || scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
  return `${scaled.toFixed(digits)} ${prefixes[step]}${unit}`;
}
