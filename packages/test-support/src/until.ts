/** Waits for what happens soon; returns also when it has not happened within 5 s, and the assertion behind it says so. */
export async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 5000; !condition() && Date.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Lets so many turns of the event loop pass. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
