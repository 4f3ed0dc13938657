// What the release workflow makes of changesets: one version everywhere, and a changelog that has it.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchDirectory } from '@vio/test-support';
import { expect, it } from 'vitest';
import { publicPackages, root } from '../install/tarballs.ts';

const clone = join(scratchDirectory(), 'clone');

/** In the place of changesets, which the registry has: what it does to a package is theirs. */
const changesets = `#!/bin/sh
sed -i 's/"version": "[^"]*"/"version": "7.8.9"/' packages/native/package.json
`;

it('is in the manifest of the root, and what changesets say is in the changelog, above what stood there', () => {
  for (const part of [
    'scripts',
    '.changeset',
    'package.json',
    'CHANGELOG.md',
    'packages/native/package.json',
  ])
    cpSync(join(root, part), join(clone, part), {
      recursive: true,
      filter: (path) => !path.includes('node_modules'),
    });
  cpSync(join(root, 'packages/native/scripts'), join(clone, 'packages/native/scripts'), { recursive: true });
  writeFileSync(
    join(clone, '.changeset/brave-rings.md'),
    "---\n'@vio/net': minor\n---\n\nPorts fly.\nFar.\n",
  );
  mkdirSync(join(clone, 'bin'));
  writeFileSync(join(clone, 'bin/npx'), changesets);
  chmodSync(join(clone, 'bin/npx'), 0o755);
  const before = readFileSync(join(clone, 'CHANGELOG.md'), 'utf8');
  const env = { PATH: `${join(clone, 'bin')}:${process.env['PATH']}` };
  const { status, stderr } = spawnSync(process.execPath, ['scripts/version.mjs'], {
    cwd: clone,
    env,
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([0, '']);
  const manifest = readFileSync(join(clone, 'package.json'), 'utf8');
  expect(JSON.parse(manifest)).toEqual({
    ...(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as object),
    version: '7.8.9',
  });
  const after = readFileSync(join(clone, 'CHANGELOG.md'), 'utf8');
  expect(after.startsWith('# Changelog\n\n## 7.8.9\n\n- Ports fly.\n  Far.\n')).toBe(true);
  expect(after).not.toMatch(/^## Unreleased/m);
  expect(after.split('\n').slice(-20)).toEqual(before.split('\n').slice(-20));
});

it('is that of no package that is not published', () => {
  const { ignore } = JSON.parse(readFileSync(join(root, '.changeset/config.json'), 'utf8')) as {
    ignore: string[];
  };
  const workspace = readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8');
  const single = Array.from(workspace.matchAll(/^ {2}- ([\w/]+)$/gm), ([, place]) => place);
  const names = [...single, 'packages/test-support'].map(
    (place) => (JSON.parse(readFileSync(join(root, place, 'package.json'), 'utf8')) as { name: string }).name,
  );
  expect(names.length).toBeGreaterThan(4);
  expect(names.filter((name) => !ignore.includes(name))).toEqual([]);
  expect(publicPackages().filter((name) => ignore.includes(`@vio/${name}`))).toEqual([]);
});
