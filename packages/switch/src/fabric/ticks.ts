/** Ticks of a second. */
export const ticksPerSecond = 10;

/** The time as the fabric counts it, a small integer. */
export function ticks(): number {
  return Math.trunc((performance.now() * ticksPerSecond) / 1000);
}
