import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Runs a command line without quotes. @returns what it printed; a failure throws with what it said */
export async function sh(line: string): Promise<string> {
  const [program, ...args] = line.split(' ');
  const { stdout } = await run(program, args, { timeout: 60_000, maxBuffer: 1 << 24 });
  return stdout;
}

/** Runs a line as a shell does, which ends at the first command that fails. @returns what it printed */
export async function shell(line: string): Promise<string> {
  return (await run('sh', ['-ec', line], { timeout: 120_000, maxBuffer: 1 << 24 })).stdout;
}

/** Runs `ip` on several lines at once: a process costs a guest a tenth of a second. */
export function ip(lines: readonly string[], namespace?: string): void {
  const inside = namespace === undefined ? [] : ['-n', namespace];
  execFileSync('ip', [...inside, '-batch', '-'], {
    input: lines.join('\n'),
    stdio: ['pipe', 'ignore', 'pipe'],
  });
}
