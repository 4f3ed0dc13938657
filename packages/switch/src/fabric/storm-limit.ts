import { ticksPerSecond } from './ticks.ts';

/**
 * How many frames a port may have flooded: broadcasts, multicasts, and those to addresses nobody knows. A bucket of tokens that
 * holds as many as come in a second.
 */
export class StormLimit {
  readonly #perSecond: number;
  #tokens: number;
  #last = 0;

  /** @param perSecond frames; Infinity: no limit */
  constructor(perSecond = Number.POSITIVE_INFINITY) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
  }

  /** @returns false: one too many */
  take(now: number): boolean {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return true;
    if (now !== this.#last) {
      const grown = this.#tokens + ((now - this.#last) * this.#perSecond) / ticksPerSecond;
      this.#tokens = grown < this.#perSecond ? grown : this.#perSecond;
      this.#last = now;
    }
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
