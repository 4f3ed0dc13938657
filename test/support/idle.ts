import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

/** Milliseconds that are looked at, of which a process that polls takes a good part. */
const window = 300;
/** Wake-ups within them of a process that sleeps: a timer of a second is none of a poll. */
const mostWakes = 1;

/** What a process has done so far. */
interface Work {
  /** Of processor time, 10 ms each. */
  readonly ticks: number;
  /** How often one of its threads went to sleep, and so, before that, woke up. */
  readonly wakes: number;
}

function workOf(pid: number): Work {
  const [, rest] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
  const fields = rest.split(' ');
  let wakes = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
    wakes += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
  }
  return { ticks: Number(fields[11]) + Number(fields[12]), wakes };
}

/**
 * Waits until a process does nothing: it takes no processor time, as one that polls does, and no thread of it wakes up, as in one that
 * looks around again and again. For ever for one that never rests.
 */
export async function untilIdle(pid: number | undefined): Promise<void> {
  if (pid === undefined) throw new TypeError('the process did not start');
  for (let before = workOf(pid), now: Work; ; before = now) {
    await wait(window);
    now = workOf(pid);
    if (now.ticks === before.ticks && now.wakes - before.wakes <= mostWakes) return;
  }
}
