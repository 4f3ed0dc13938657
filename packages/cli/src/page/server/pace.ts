/** Milliseconds from one look to the next, while looking costs little. */
export const usualInterval = 1000;
const longestInterval = 10_000;
/** Milliseconds that pass for each that a look has cost: half of a hundredth of the time is for looking. */
const shareInverse = 200;
/** Looks of which the cheapest says what one costs: in the others the system may have let somebody else run. */
const mostCosts = 4;

/** How often is looked, so that the ports hardly notice: seldom, where a look is dear. */
export class Pace {
  /** Milliseconds until the next look. */
  interval = usualInterval;
  #costs: number[] = [];

  /** @param milliseconds that a look took */
  cost(milliseconds: number): void {
    this.#costs = [...this.#costs.slice(1 - mostCosts), milliseconds];
    const least = Math.min(...this.#costs);
    this.interval = Math.min(longestInterval, Math.max(usualInterval, Math.round(least * shareInverse)));
  }
}
