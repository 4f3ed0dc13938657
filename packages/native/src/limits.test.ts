import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { resourceLimit } from './limits.ts';
import { runChild } from './test-support/child.ts';

/** A line of /proc/self/limits. */
function procLimit(line: string): { soft: number; hard: number } {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const [, soft, hard] = new RegExp(`^${line}\\s+(\\S+)\\s+(\\S+)`, 'm').exec(limits) ?? [];
  const number = (text: string): number => (text === 'unlimited' ? Infinity : Number(text));
  return { soft: number(soft), hard: number(hard) };
}

describe('resource limits', () => {
  it('of locked memory are those of the process, in bytes', () => {
    expect(resourceLimit('memlock')).toEqual(procLimit('Max locked memory'));
  });

  it('of open files are those of the process', () => {
    expect(resourceLimit('nofile')).toEqual(procLimit('Max open files'));
  });

  it('have a soft and a hard value', async () => {
    const { stdout } = await runChild(`print(native.resourceLimit('memlock'))`, [
      'prlimit',
      '--memlock=4096:8192',
    ]);
    expect(JSON.parse(stdout)).toEqual({ soft: 4096, hard: 8192 });
  });
});
