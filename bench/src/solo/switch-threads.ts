// What a second thread gives a switch: the same traffic by one thread, by two that have a pair of hosts each, and by two of which each
// has one host of every pair.
import { execFileSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { median } from '@vio/test/median';

/** Of one run. */
export interface ThreadsSample {
  /** Million frames a second that have arrived. */
  readonly mpps: number;
  /** CPU time of all threads of the switch for a frame. */
  readonly nanoseconds: number;
  /** CPU time of the busiest of them for a frame: what limits the switch where every thread has a core. */
  readonly busiest: number;
}

/** Medians of runs. */
export interface SwitchThreads extends ThreadsSample {
  readonly name: string;
  /** One over `busiest`: million frames a second, were there a core for each thread. */
  readonly limit: number;
  /** Load of the machine before the first run. */
  readonly load: number;
}

const measuring = fileURLToPath(new URL('../own/switch-threads-process.js', import.meta.url));

const cases: readonly (readonly [name: string, threads: number, across: number])[] = [
  ['one thread', 1, 0],
  ['two threads, each with a pair of hosts', 2, 0],
  ['two threads, every frame from one to the other', 2, 1],
];

export function switchThreads(rounds: number): SwitchThreads[] {
  const [load] = loadavg();
  const samples = cases.map((): ThreadsSample[] => []);
  // By turns, so that what drifts meanwhile is in all of them.
  for (let round = 0; round < rounds; round++) {
    for (const [i, [, threads, across]] of cases.entries()) {
      const said = execFileSync(process.execPath, [measuring, String(threads), String(across)], {
        encoding: 'utf8',
      });
      samples[i].push(JSON.parse(said) as ThreadsSample);
    }
  }
  return cases.map(([name], i) => {
    const of = (field: keyof ThreadsSample): number => median(samples[i].map((sample) => sample[field]));
    const busiest = of('busiest');
    return { name, mpps: of('mpps'), nanoseconds: of('nanoseconds'), busiest, limit: 1000 / busiest, load };
  });
}
