// Copies of examples: where they go, and where they cannot.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { vio } from './vio.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vio-example-'));
afterAll(() => rmSync(scratch, { recursive: true }));

it.each(['plain', 'with a space', "somebody's"])(
  'the copy in a folder "%s" is found by the line that is told',
  async (name) => {
    const folder = join(scratch, name);
    const { exitCode, stdout, stderr } = await vio('example', 'echo', folder);
    expect([exitCode, stderr]).toEqual([0, '']);
    const [, line = ''] = /^ {2}(cd .*) && npm install && npm start$/m.exec(stdout) ?? [];
    const shown = await promisify(execFile)('/bin/sh', ['-c', `${line} && ls`]);
    expect(shown.stdout.trimEnd().split('\n')).toEqual(readdirSync(folder));
  },
);

describe('no copy is made', () => {
  const taken = join(scratch, 'taken');
  mkdirSync(taken);
  const file = join(taken, 'file');
  writeFileSync(file, '');

  it.each([
    ['in a folder with something in it', taken, 'is not an empty folder', 'empty or does not exist'],
    ['over a file', file, 'is not an empty folder', 'empty or does not exist'],
    ['below a file', join(file, 'below'), 'the example cannot be written: ', 'where you may write'],
  ])('%s', async (_, folder, reason, remedy) => {
    const { exitCode, stdout, stderr } = await vio('example', 'echo', folder);
    expect([exitCode, stdout, stderr.trimEnd().split('\n').length]).toEqual([1, '', 3]);
    expect(stderr).toContain(reason);
    expect(stderr).toMatch(new RegExp(`\n  remedy: .*${remedy}\n  code: VIO_EXAMPLE_DIRECTORY\n`));
  });
});
