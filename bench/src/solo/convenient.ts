// Ways for frames in Node, in a process of their own: with taps and packet sockets where this user may make them.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Convenient {
  readonly name: string;
  /** Million frames a second of CPU time, median of samples. */
  readonly mpps: number;
}

const measuring = fileURLToPath(new URL('../own/convenient-process.js', import.meta.url));
const source = fileURLToPath(new URL('../../kernel/with-links.c', import.meta.url));

/** @param milliseconds of each sample */
export function convenientWays(samples: number, milliseconds: number): Convenient[] {
  const directory = mkdtempSync(join(tmpdir(), 'vio-links-'));
  try {
    const command = [process.execPath, measuring, String(samples), String(milliseconds)];
    const links = withLinks(directory);
    const [program, ...args] = links === undefined ? command : [links, ...command];
    return JSON.parse(execFileSync(program, args, { encoding: 'utf8' })) as Convenient[];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The program that makes links for another one, if it can be compiled and may do so. */
function withLinks(directory: string): string | undefined {
  const program = join(directory, 'with-links');
  if (spawnSync('cc', ['-O2', '-o', program, source]).status !== 0) {
    console.warn('no taps and packet sockets: there is no C compiler');
    return undefined;
  }
  const { status, stderr } = spawnSync(program, ['true'], { encoding: 'utf8' });
  if (status === 0) return program;
  console.warn(`no taps and packet sockets: ${stderr.trim()}`);
  return undefined;
}
