// Whoever calls an example in a way that it cannot take is told how it is called, and is shown no stack of calls.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const examples = join(import.meta.dirname, '../../examples');

describe.each(readdirSync(examples))('%s', (name) => {
  it('says how it is called', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/main.js', '--no-such-option'], {
      cwd: join(examples, name),
      encoding: 'utf8',
    });
    expect([status, stdout, stderr]).toEqual([2, '', expect.stringMatching(/^usage: node dist\/main\.js /m)]);
    expect(stderr).not.toMatch(/^ +at /m);
  });
});
