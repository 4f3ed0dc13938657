// Every package declares what its sources import, and nothing else; what only its tests need is the root's. What it imports of
// its siblings is what the arrows of ARCHITECTURE.md allow.
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

/** A part of the linter's configuration. */
interface Override {
  readonly files: readonly string[];
  readonly rules: {
    readonly 'no-restricted-imports'?: readonly [
      string,
      { readonly patterns: readonly { readonly regex: string }[] },
    ];
  };
}

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

/** What each package of the drawing may import. A line that begins with an arrow goes on from what that arrow stands behind in the first. */
function arrows(): Map<string, ReadonlySet<string>> {
  const architecture = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
  const [, drawing = ''] = /^```text\n([^]*?)^```$/m.exec(architecture) ?? [];
  const lines = drawing.split('\n').filter((line) => line.includes('<-'));
  const names = (line: string): string[] => line.match(/@vio\/[\w-]+/g) ?? [];
  const chains = lines.map((line) => {
    const goesOn = line.trimStart().startsWith('<-');
    return goesOn ? [...names(lines[0].slice(0, line.indexOf('<-'))).slice(-1), ...names(line)] : names(line);
  });
  const left = new Map<string, Set<string>>();
  for (const chain of chains) {
    for (const [i, name] of chain.entries()) {
      const known = left.get(name) ?? new Set();
      if (i > 0) known.add(chain[i - 1]);
      left.set(name, known);
    }
  }
  for (let grew = true; grew;) {
    grew = false;
    for (const known of left.values()) {
      const before = known.size;
      // What is added while the set is walked is walked as well.
      for (const name of known) for (const further of left.get(name) ?? []) known.add(further);
      grew ||= known.size > before;
    }
  }
  return left;
}

describe('the arrows of ARCHITECTURE.md', () => {
  const allowed = arrows();
  const manifests = readdirSync(join(root, 'packages'))
    .map((name) => manifest(join(root, 'packages', name)))
    .filter(({ name }) => name !== '@vio/test-support');

  it('are drawn of every package', () => {
    expect([...allowed.keys()].toSorted()).toEqual(manifests.map(({ name }) => name).toSorted());
  });

  it.each(manifests)('$name imports what is left of it, and nothing else', ({ name, dependencies = {} }) => {
    const siblings = Object.keys(dependencies).filter((dependency) => dependency.startsWith('@vio/'));
    expect(siblings.filter((sibling) => allowed.get(name)?.has(sibling) !== true)).toEqual([]);
  });

  it('are those that the linter knows', () => {
    const { overrides } = JSON.parse(
      readFileSync(join(root, '.oxlintrc.json'), 'utf8').replaceAll(/^\s*\/\/.*$/gm, ''),
    ) as { overrides: Override[] };
    for (const { name } of manifests) {
      const place = `packages/${name.slice('@vio/'.length)}/**`;
      const rule = overrides.find(({ files }) => files.includes(place))?.rules['no-restricted-imports'];
      const patterns = rule?.[1].patterns.map(({ regex }) => new RegExp(regex)) ?? [];
      const forbidden = manifests.filter(
        (other) => other.name !== name && allowed.get(name)?.has(other.name) !== true,
      );
      const missed = forbidden.filter((other) => !patterns.some((pattern) => pattern.test(other.name)));
      expect([name, missed.map((other) => other.name)]).toEqual([name, []]);
    }
  });
});

describe('the scripts that `npm start` runs', () => {
  const scripts = readdirSync(join(root, 'scripts'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.mjs') && !path.includes('node_modules'))
    .map((path) => readFileSync(join(root, 'scripts', path), 'utf8'));
  const { dependencies = {} } = manifest(join(root, 'scripts'));
  /** What is bundled into the packages that run then, and the headers of the addon. */
  const built = ['native', 'rings', 'net', 'vhost', 'vhost-kernel', 'virtio-user'].map((name) =>
    manifest(join(root, 'packages', name)),
  );
  const ofPackages = Object.assign({}, ...built.map(({ devDependencies }) => devDependencies)) as object;
  const foreign = Object.entries(ofPackages).filter(([name]) => !name.startsWith('@vio/'));

  it('have all that they import and that is built in, in the version of everything else, and no more', () => {
    const own = [...new Set(scripts.flatMap(imported))].map((name) => [
      name,
      manifest(root).devDependencies?.[name],
    ]);
    expect(dependencies).toEqual(Object.fromEntries([...own, ...foreign]));
  });
});
