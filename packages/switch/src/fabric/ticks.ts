/** Ticks of a second. */
export const ticksPerSecond = 10;

const [seconds, nanoseconds] = process.hrtime();
/** Milliseconds from the beginning of the machine's clock to that of this thread's: all threads of a switch have one time. */
const origin = seconds * 1000 + nanoseconds / 1_000_000 - performance.now();

/** The time as the fabric counts it, a small integer. */
export function ticks(): number {
  return Math.trunc(((origin + performance.now()) * ticksPerSecond) / 1000);
}
