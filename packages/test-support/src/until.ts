/**
 * Waits for what happens soon; returns also when it has not happened in time, and the assertion behind it says so.
 * @param patience milliseconds
 */
export async function until(condition: () => boolean, patience = 10_000): Promise<void> {
  for (const end = performance.now() + patience; !condition() && performance.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Lets so many turns of the event loop pass. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
