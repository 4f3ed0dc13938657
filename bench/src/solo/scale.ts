// How cost grows with ports and with queue pairs; every measurement is a process of its own, with both ends in it.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Scale {
  readonly ports: number;
  /** Queue pairs of each. */
  readonly queues: number;
  /** CPU time of each port, its device included, as are the next two. */
  readonly openMilliseconds: number;
  readonly kibibytes: number;
  readonly descriptors: number;
  /** Of one CPU, all ports together. */
  readonly idlePercent: number;
  /** Million packets a second of CPU there and back, one burst after the other through all. */
  readonly mpps: number;
}

export function scales(): Scale[] {
  const sizes: readonly (readonly [ports: number, queues: number])[] = [
    [1, 1],
    [10, 1],
    [100, 1],
    [1000, 1],
    [1, 2],
    [1, 8],
    [1, 32],
    [1, 128],
  ];
  return sizes.map((size) => runUnlimited('scale-process.js', size) as Scale);
}

/**
 * Runs one of our programs with as many descriptors as the hard limit allows: a port and its device take twelve.
 * @param name of the program in `own/` @returns the JSON that it prints
 */
export function runUnlimited(name: string, args: readonly number[]): unknown {
  const program = fileURLToPath(new URL(`../own/${name}`, import.meta.url));
  const command = `ulimit -n $(ulimit -H -n); exec "$0" "$@"`;
  const words = ['-c', command, process.execPath, program, ...args.map(String)];
  return JSON.parse(execFileSync('bash', words, { encoding: 'utf8' })) as unknown;
}
