import { execFileSync } from 'node:child_process';

/** Runs a line as a shell does, which ends at the first command that fails. @returns what it printed */
export function sh(line: string): string {
  return execFileSync('sh', ['-ec', line], { encoding: 'utf8' });
}
