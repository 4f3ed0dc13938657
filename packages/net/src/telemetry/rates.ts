/** Milliseconds that rates are taken over at least, where they can be. */
const window = 500;

interface Sample {
  readonly at: number;
  readonly stats: Readonly<Record<string, number>>;
}

/** What counters grew by in a second, since a while ago; nothing is looked at while nobody asks. */
export class Rates {
  #samples: Sample[] = [];
  readonly #stats: () => Readonly<Record<string, number>>;

  constructor(stats: () => Readonly<Record<string, number>>) {
    this.#stats = stats;
    this.#samples.push({ at: performance.now(), stats: stats() });
  }

  /** Per second, by name; counters that were set back begin at 0 again. */
  perSecond(): Record<string, number> {
    const now: Sample = { at: performance.now(), stats: this.#stats() };
    const old = this.#samples.findLast(({ at }) => now.at - at >= window) ?? this.#samples[0];
    const seconds = Math.max(now.at - old.at, 1) / 1000;
    if (now.at - this.#samples[this.#samples.length - 1].at >= window)
      this.#samples = [...this.#samples.slice(-1), now];
    return Object.fromEntries(
      Object.entries(now.stats).map(([name, value]) => {
        const grown = value - (old.stats[name] ?? 0);
        return [name, Math.max(0, grown) / seconds];
      }),
    );
  }
}
