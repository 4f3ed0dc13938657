import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { vioProgram } from '../support/vio-program.ts';

/** A runtime and its arguments before those of `vio`. */
export type Runtime = readonly string[];

function start([program, ...flags]: Runtime, ...args: string[]): ChildProcessByStdio<null, Readable, null> {
  const all = [...flags, vioProgram, ...args, '--json', '--no-telemetry'];
  return spawn(program, all, { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Runs `vio run` against `vio backend` for a while. @returns exit codes, and how many packets came back */
export async function runBoth(
  ofBackend: Runtime,
  ofPort: Runtime,
  path: string,
): Promise<{ codes: readonly unknown[]; received: number }> {
  const backend = start(ofBackend, 'backend', path, '--forward-mode', 'io');
  const ended = once(backend, 'close');
  try {
    await once(backend.stdout, 'data');
    // Small pages: an emulator of programs (qemu-user) cannot map a file of huge ones.
    const flags = ['--no-huge', '--forward-mode', 'flowgen', '--duration', '2'];
    const port = start(ofPort, 'run', `path=${path}`, ...flags);
    const [said, [code]] = await Promise.all([text(port.stdout), once(port, 'close')]);
    const total = said.split('\n').find((line) => line.includes('"type":"total"')) ?? '{}';
    const { received = 0 } = JSON.parse(total) as { received?: number };
    backend.kill('SIGINT');
    return { codes: [code, ...(await ended).slice(0, 1)], received };
  } finally {
    backend.kill('SIGINT');
  }
}
