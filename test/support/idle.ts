import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

/** Milliseconds that are looked at, of which a process that polls takes a good part. */
const window = 300;

/** Processor time that a process has taken, in ticks of 10 ms. */
function ticks(pid: number): number {
  const [, rest] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
  const fields = rest.split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** Waits until a process takes next to no processor time; for ever for one that polls. */
export async function untilIdle(pid: number | undefined): Promise<void> {
  if (pid === undefined) throw new TypeError('the process did not start');
  for (let before = ticks(pid), now = Number.NaN; ; before = now) {
    await wait(window);
    now = ticks(pid);
    if (now - before <= 1) return;
  }
}
