// A package is bundled again when what it is made of, or what was made of it, is not as it was.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { scratchDirectory } from '@vio/test-support';
import { beforeEach, expect, it } from 'vitest';
import { root } from '../install/tarballs.ts';

interface Stamp {
  readonly isStale: (directory: string, workspace: string) => boolean;
  readonly writeStamp: (directory: string, paths: readonly string[], workspace: string) => void;
}

const { isStale, writeStamp } = (await import(join(root, 'scripts/bundle/stamp.mjs'))) as Stamp;
const workspace = join(scratchDirectory(), 'workspace');
const own = join(workspace, 'packages/own');

function write(path: string, text: string): void {
  const file = join(workspace, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

beforeEach(() => {
  rmSync(workspace, { recursive: true, force: true });
  write('pnpm-lock.yaml', '');
  write('scripts/bundle.mjs', '');
  for (const name of ['own', 'other']) write(`packages/${name}/package.json`, '{}');
  write('packages/parted/package.json', '{ "exports": { "./internal/part": "./dist/part.js" } }');
  write('packages/native/package.json', '{ "name": "@vio/native" }');
  for (const name of ['own', 'other', 'parted', 'native']) write(`packages/${name}/src/index.ts`, '');
  write('packages/own/dist/internal.js', 'bundled');
});

it('is, when it never was', () => {
  expect(isStale(own, workspace)).toBe(true);
});

it('is not, when all is as it was', () => {
  writeStamp(own, ['dist/internal.js'], workspace);
  expect(isStale(own, workspace)).toBe(false);
});

it.each([
  ['a source of it', 'packages/own/src/deeper/more.ts'],
  ['what was made of it', 'packages/own/dist/internal.js'],
  ['what bundles', 'scripts/bundle.mjs'],
  ["a sibling's manifest", 'packages/other/package.json'],
  ['a part of a sibling, which may have other names now', 'packages/parted/src/index.ts'],
  ['a sibling that it has some of in it', 'packages/native/src/index.ts'],
  ['a version that is installed', 'pnpm-lock.yaml'],
])('is, when it is not as it was: %s', (_, path) => {
  writeStamp(own, ['dist/internal.js'], workspace);
  write(path, 'changed');
  expect(isStale(own, workspace)).toBe(true);
});

it('is not for the source of a sibling that it imports whole', () => {
  writeStamp(own, ['dist/internal.js'], workspace);
  write('packages/other/src/index.ts', 'changed');
  expect(isStale(own, workspace)).toBe(false);
});
