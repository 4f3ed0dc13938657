// The switch of examples/ as a process beside QEMU.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { repository } from './checkout.ts';

/** How a switch ended, and what it complained of. */
export interface SwitchEnd {
  readonly code: unknown;
  readonly complaints: string;
}

/** Starts it. @returns once it listens, or looks for who listens */
export async function startSwitch(
  sockets: readonly string[],
  options: readonly string[] = [],
): Promise<{ stop(): Promise<SwitchEnd> }> {
  const program = join(repository, 'examples/l2-switch/dist/main.js');
  const child: ChildProcess = spawn(process.execPath, [program, ...options, ...sockets], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let complaints = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  const ended = once(child, 'close');
  if (child.stdout !== null) await Promise.race([once(child.stdout, 'data'), ended]);
  return {
    stop: async () => {
      child.kill('SIGTERM');
      const [code] = await ended;
      return { code, complaints };
    },
  };
}
