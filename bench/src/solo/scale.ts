// How cost grows with ports and with queue pairs; every measurement is a process of its own, with both ends in it.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Scale {
  readonly ports: number;
  /** Queue pairs of each. */
  readonly queues: number;
  /** Of each port, its device included, as are the next two. */
  readonly openMilliseconds: number;
  readonly kibibytes: number;
  readonly descriptors: number;
  /** Of one CPU, all ports together. */
  readonly idlePercent: number;
  /** Million packets a second there and back, one burst after the other through all. */
  readonly mpps: number;
}

const program = fileURLToPath(new URL('../own/scale-process.js', import.meta.url));

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
  return sizes.map(([ports, queues]) => measure(ports, queues));
}

function measure(ports: number, queues: number): Scale {
  // Thirteen descriptors for each port and device: more than a shell allows, fewer than the hard limit.
  const command = `ulimit -n $(ulimit -H -n); exec "$0" "$@"`;
  const args = ['-c', command, process.execPath, program, String(ports), String(queues)];
  return JSON.parse(execFileSync('bash', args, { encoding: 'utf8' })) as Scale;
}
