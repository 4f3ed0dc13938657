// Every package declares what its sources import, and nothing else; what only its tests need is the root's.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly exports?: unknown;
}

const manifest = (directory: string): Manifest =>
  JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;

/** Tests and what only they use are not published. */
const isTest = (path: string): boolean => /\.test\.ts$|(^|\/)test-support\//.test(path);

function sources(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !isTest(path))
    .map((path) => readFileSync(join(directory, path), 'utf8'));
}

/** Packages that a text imports, by name; neither Node's own nor files beside it. */
function imported(text: string): string[] {
  const specifiers = text.matchAll(
    /^\s*(?:import|export)\s[^;'"]*?from\s+'([^'.][^']*)'|^\s*import\s+'([^'.][^']*)'|\bimport\(\s*'([^'.][^']*)'\s*\)|createRequire\([^)]*\)\('([^'.][^']*)'\)|\bimport\.meta\.resolve\('([^'.][^']*)'\)|\brequire\('([^'.][^']*)'\)/gm,
  );
  return Array.from(specifiers, (match) => match.slice(1).find((group) => group !== undefined) ?? '')
    .filter((specifier) => !specifier.startsWith('node:'))
    .map((specifier) =>
      specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/'),
    );
}

/** What a package of the workspace may use besides: the runner of tests, in sources that are tests themselves. */
const runner = new Set(['vitest', 'fast-check']);

/** Headers, which are no JavaScript. */
const buildTools = new Set(['node-addon-api', 'node-api-headers']);

const places = ['packages', 'examples'].flatMap((group) =>
  readdirSync(join(root, group)).map((name) => `${group}/${name}`),
);

describe.each(places.filter((place) => existsSync(join(root, place, 'package.json'))))('%s', (place) => {
  it('declares what it imports, and nothing else', () => {
    const { name, dependencies = {}, devDependencies = {} } = manifest(join(root, place));
    const used = new Set(sources(join(root, place, 'src')).flatMap(imported));
    for (const own of [name, ...runner]) used.delete(own);
    // What development needs of others is bundled, and so has to be imported; of our own only tests need something.
    const bundled = Object.keys(devDependencies).filter(
      (dependency) => !buildTools.has(dependency) && !dependency.startsWith('@vio/'),
    );
    expect([...Object.keys(dependencies), ...bundled].toSorted()).toEqual([...used].toSorted());
  });
});
