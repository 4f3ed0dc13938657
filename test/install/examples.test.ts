// Examples as the command line gives them away: outside the repository, from tarballs, by a compiler of their own.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeBlocks } from '../readme/code-blocks.ts';
import { BareProject, packInstalled, packWithDependencies, root } from './tarballs.ts';

const destination = mkdtempSync(join(tmpdir(), 'vio-example-tarballs-'));
const home = new BareProject();
afterAll(() => {
  rmSync(destination, { recursive: true });
  rmSync(home.directory, { recursive: true });
});

beforeAll(async () => {
  await home.install((await packWithDependencies('@vio/cli', destination)).values());
}, 240_000);

const vio = (...args: string[]) => home.run('npm', 'exec', '--offline', '--', '@vio/cli', 'example', ...args);

/** What every example wants of others, at the lowest version that it allows. */
const tools = async (): Promise<string[]> => [
  await packInstalled(join(root, 'test/install/node_modules/typescript-5.9'), destination),
  await packInstalled(join(root, 'node_modules/@types/node'), destination),
  await packInstalled(join(root, 'node_modules/@types/node'), destination, 'undici-types'),
];

const names = readdirSync(join(root, 'examples'));
const run = promisify(execFile);

/** Runs a block of a README as whoever has installed the command `vio` does. */
async function shell(code: string, cwd: string): Promise<string> {
  const PATH = [join(home.directory, 'node_modules/.bin'), process.env['PATH']].join(delimiter);
  const env = { ...process.env, PATH };
  const { stderr } = await run('bash', ['-euo', 'pipefail', '-c', code], { cwd, env, timeout: 60_000 });
  return stderr;
}

it('are listed with what they show', async () => {
  const listed = (await vio()).trimEnd().split('\n');
  expect(listed.map((line) => line.split(' ')[0])).toEqual(names);
  expect(listed.filter((line) => !/^\S+ {2,}\S.{10}/.test(line))).toEqual([]);
});

describe.each(names)('%s', (name) => {
  it('is a folder that installs, compiles and has nothing of the workspace', async () => {
    await vio(name, name);
    const example = new BareProject(join(home.directory, name));
    const manifest = readFileSync(join(home.directory, name, 'package.json'), 'utf8');
    const { dependencies } = JSON.parse(manifest) as { dependencies: Record<string, string> };
    expect(Object.values(dependencies).filter((range) => !/^\^\d+\.\d+\.\d+$/.test(range))).toEqual([]);
    const packed = new Map<string, string>();
    for (const dependency of Object.keys(dependencies)) {
      for (const [key, tarball] of await packWithDependencies(dependency, destination))
        packed.set(key, tarball);
    }
    await example.install([...packed.values(), ...(await tools())]);
    await example.run('npm', 'run', 'build');
    expect(readdirSync(join(home.directory, name, 'dist'))).toContain('main.js');
  }, 240_000);
});

/** What the README of an example says to type. */
const typed = (name: string) =>
  codeBlocks(join(root, 'examples', name, 'README.md')).filter(({ language }) => language === 'sh');

describe.each(names.filter((name) => typed(name).length > 0))('%s', (name) => {
  it('runs there as its README says', async () => {
    for (const { code } of typed(name))
      expect(await shell(code, join(home.directory, name))).not.toMatch(/Error/);
  });
});

it('echo runs there', async () => {
  const example = new BareProject(join(home.directory, 'echo'));
  expect(await example.run('npm', 'start', '--', '0.1')).toMatch(/received \d+ frames back/);
});
