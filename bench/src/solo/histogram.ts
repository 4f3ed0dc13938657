/** Steps of each doubling: what is read back is right to 1.1 percent. */
const steps = 64;
/** From 1 ns to more than an hour. */
const doublings = 42;

/** Counts times of any length in a few kilobytes. */
export class Histogram {
  readonly #counts = new Float64Array(steps * doublings);
  #all = 0;

  get count(): number {
    return this.#all;
  }

  /** @param milliseconds less than a nanosecond counts as one */
  add(milliseconds: number): void {
    const at = Math.floor(Math.log2(milliseconds * 1e6) * steps);
    this.#counts[at < 0 ? 0 : at < this.#counts.length ? at : this.#counts.length - 1]++;
    this.#all++;
  }

  /** Adds what another one has counted. */
  merge(other: Histogram): void {
    for (let at = 0; at < this.#counts.length; at++) this.#counts[at] += other.#counts[at];
    this.#all += other.#all;
  }

  /** @param share 0.99: the time that 99 of 100 do not exceed @returns milliseconds; NaN of nothing */
  percentile(share: number): number {
    if (this.#all === 0) return NaN;
    let left = Math.ceil(share * this.#all);
    let at = 0;
    while ((left -= this.#counts[at]) > 0) at++;
    return 2 ** ((at + 0.5) / steps) / 1e6;
  }
}
