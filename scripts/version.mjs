// Makes the version that the changesets ask for: in every manifest, where the packages have it, and in the changelog, which is one.
//
//   node scripts/version.mjs     what the release workflow runs (`npm run release:version`)
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, toolEnvironment } from './workspace.mjs';

const read = (...path) => readFileSync(join(root, ...path), 'utf8');

/** What users are told: each changeset without the list of packages in front. */
const told = readdirSync(join(root, '.changeset'))
  .filter((name) => name.endsWith('.md') && name !== 'README.md')
  .map((name) =>
    read('.changeset', name)
      .replace(/^---\n[^]*?\n---\n/, '')
      .trim(),
  )
  .map((text) => `- ${text.replaceAll('\n', '\n  ')}`);

const changesets = ['--yes', '@changesets/cli@3.0.3', 'version'];
const { status } = spawnSync('npx', changesets, { cwd: root, stdio: 'inherit', env: toolEnvironment });
if (status !== 0) process.exit(status ?? 1);

const { version } = JSON.parse(read('packages/native/package.json'));
const manifest = read('package.json');
writeFileSync(
  join(root, 'package.json'),
  manifest.replace(/^ {2}"version": ".*"/m, `  "version": "${version}"`),
);
const [title, ...rest] = read('CHANGELOG.md')
  .replace(/^## Unreleased\n+/m, '')
  .split('\n');
writeFileSync(join(root, 'CHANGELOG.md'), [title, '', `## ${version}`, '', ...told, ...rest].join('\n'));
