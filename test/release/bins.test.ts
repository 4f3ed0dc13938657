// The commands that packages bring: what whoever calls them on the wrong machine, or in the wrong way, is told.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { publicPackages, root } from '../install/tarballs.ts';

const bins = publicPackages().flatMap((name) => {
  const text = readFileSync(join(root, 'packages', name, 'package.json'), 'utf8');
  const { bin = {} } = JSON.parse(text) as { bin?: Readonly<Record<string, string>> };
  return Object.entries(bin).map(([command, file]) => [command, join(root, 'packages', name, file)] as const);
});

const node = (...args: readonly string[]) =>
  spawnSync(process.execPath, args, { encoding: 'utf8', env: {}, input: '' });

/** Pretends another machine before anything else runs. */
const pretend = (properties: string): string =>
  `--import=data:text/javascript,Object.defineProperties(process,{${properties}})`;

describe.each(bins)('%s', (command, file) => {
  it.each([
    [
      `versions:{value:{...process.versions,node:'18.20.4'}}`,
      'Node 18.20.4 is not supported; vio needs Node 20.19, ',
    ],
    [
      `platform:{value:'darwin'},arch:{value:'arm64'}`,
      'darwin-arm64 is not supported; vio needs Linux on x64 or ',
    ],
  ])('is refused where %s, in one sentence', (properties, sentence) => {
    const { status, stdout, stderr } = node(pretend(properties), file);
    expect([status, stdout, stderr.trimEnd().split('\n').length]).toEqual([1, '', 1]);
    expect(stderr).toContain(`${command}: ${sentence}`);
  });

  it('has nothing in its first file that an old Node cannot read', () => {
    const text = readFileSync(file, 'utf8').replaceAll(/^\/\/.*$/gm, '');
    expect(text).not.toMatch(/^\s*(\w+ = )?await |\?\.|\?\?|from 'node:/m);
  });
});

/** A CNI plugin has no command line: the specification gives it an environment and its standard input. */
const commandLines = bins.filter(([command]) => command !== 'vio-cni');

describe.each(commandLines)('%s', (_, file) => {
  it('says what is wrong with a command line, and how it is called', () => {
    const { status, stdout, stderr } = node(file, '--no-such-option');
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/no-such-option/);
    expect(stderr).not.toMatch(/^ +at /m);
  });
});

it('there are some', () => {
  expect(bins.map(([command]) => command)).toEqual(['vio', 'vio-cni', 'vio-device-plugin']);
});
