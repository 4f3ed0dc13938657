import { execFileSync } from 'node:child_process';
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Opens a new pipe once for each of these flags, in their order. @returns the descriptors, whose ends have no name */
export function pipe(...flags: readonly (string | number)[]): number[] {
  const directory = mkdtempSync(join(tmpdir(), 'vio-pipe-'));
  const path = join(directory, 'pipe');
  execFileSync('mkfifo', [path]);
  const ends = flags.map((how) => openSync(path, how));
  rmSync(directory, { recursive: true });
  return ends;
}
