// `npm start`: what a machine that cannot is told, what the tools say, and what is there at the end.
import { execFile } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const scratch = mkdtempSync(join(tmpdir(), 'vio-start-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function node(
  directory: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  user: { readonly uid?: number } = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: directory, env, ...user }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

/** The files of a clone that has neither installed nor built anything. */
function freshClone(name: string): string {
  const clone = join(scratch, name);
  for (const part of [
    'scripts',
    'package.json',
    'pnpm-lock.yaml',
    'packages/native/scripts',
    'packages/native/native',
  ])
    cpSync(join(root, part), join(clone, part), { recursive: true });
  return clone;
}

/** Pretends another machine before anything else runs. */
const pretend = (properties: string): string =>
  `--import=data:text/javascript,Object.defineProperties(process,{${properties}})`;
const oldNode = pretend(`versions:{value:{...process.versions,node:'18.20.4'}}`);
const onMac = pretend(`platform:{value:'darwin'},arch:{value:'arm64'}`);

describe.each(['start', 'setup'])('a machine that cannot, told by %s', (script) => {
  it.each([
    [
      'Node is too old',
      [oldNode],
      'vio: Node 18.20.4 is not supported; vio needs Node 20.19, 22.12, or 24 and newer (https://nodejs.org).',
    ],
    ['it is no Linux', [onMac], 'vio: darwin-arm64 is not supported; vio needs Linux on x64 or arm64.'],
    [
      'there is no C++ compiler',
      [],
      'the C++ compiler "g++" was not found; install it (Debian: apt-get install g++) or set CXX.',
    ],
  ])('%s: one sentence, and nothing is installed', async (what, flags, sentence) => {
    const clone = freshClone(`${script} ${what}`);
    const { code, stdout, stderr } = await node(clone, [...flags, join(clone, `scripts/${script}.mjs`)], {
      PATH: '/nowhere',
    });
    expect([code, stdout, stderr.trim().split('\n').length]).toEqual([1, '', 1]);
    expect(stderr).toContain(sentence);
    expect(existsSync(join(clone, 'node_modules'))).toBe(false);
  });
});

/** Who has no right that the mode of a file does not give. */
const somebody = process.getuid?.() === 0 ? { uid: 65_534 } : {};

it.each(['start', 'setup'])(
  'a clone that cannot be written is told so by %s, and nothing is downloaded',
  async (script) => {
    const clone = freshClone(`${script} read-only`);
    chmodSync(scratch, 0o755);
    chmodSync(clone, 0o555);
    const PATH = join(clone, '../bin of read-only');
    mkdirSync(PATH, { recursive: true });
    writeFileSync(join(PATH, 'g++'), '', { mode: 0o755 });
    const told = await node(clone, [join(clone, `scripts/${script}.mjs`)], { PATH }, somebody);
    chmodSync(clone, 0o755);
    expect(told).toEqual({
      code: 1,
      stdout: '',
      stderr: `vio: ${clone} cannot be written, and what is installed and built goes there; copy it to where you may write.\n`,
    });
  },
);

it('what a tool said appears when it failed, and which one it was', async () => {
  const clone = freshClone('failing');
  const bin = join(clone, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'npx'), '#!/bin/sh\necho "no such registry"; exit 3\n', { mode: 0o755 });
  writeFileSync(join(bin, 'g++'), '', { mode: 0o755 });
  symlinkSync('/bin/sh', join(bin, 'sh'));
  const { code, stdout, stderr } = await node(clone, [join(clone, 'scripts/start.mjs')], { PATH: bin });
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^no such registry\n\nDependencies failed: "npx .*" ended with exit code 3; .*\n$/m);
});

describe('npm start on a built tree', () => {
  it('says nothing of the tools, then what was seen and what to try next', async () => {
    const { code, stdout, stderr } = await node(root, ['scripts/start.mjs', '0.1']);
    expect([code, stderr.replace(/^C\+\+ and TypeScript.*\n/gm, '')]).toEqual([0, '']);
    expect(stdout).toMatch(/^features: (.|\n)*\nSeen: .* frames crossed .*\n(.*\n)?\nNext:\n(  \S.*\n)+$/);
  });
});

describe('poor numbers', async () => {
  const { contention } = (await import(join(root, 'examples/echo/dist/contention.js'))) as {
    contention: (shares: { port: number; backend: number }, cpus: number) => string | undefined;
  };

  it('have no reason when both sides had a CPU', () => {
    expect(contention({ port: 0.99, backend: 0.9 }, 2)).toBe(undefined);
  });

  it.each([
    ['both sides are on one CPU', { port: 0.5, backend: 0.5 }, 1, /one CPU for both sides/],
    [
      'others kept the port from its CPU',
      { port: 0.6, backend: 1 },
      2,
      /the port had 60 % and the backend 100 %/,
    ],
    ['others kept the backend from its CPU', { port: 1, backend: 0.4 }, 2, /and the backend 40 %/],
  ])('are explained when %s', (_, shares, cpus, reason) => {
    expect(contention(shares, cpus)).toMatch(reason);
  });
});
