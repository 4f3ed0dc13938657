import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for what happens soon; returns also when it has not happened in time. @param patience milliseconds */
export async function until(done: () => boolean, patience = 10_000): Promise<void> {
  for (const end = performance.now() + patience; !done() && performance.now() < end;) await sleep(1);
}
