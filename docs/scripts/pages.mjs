// The pages that are Markdown: which files of the repository, under which heading of the sidebar, in which order.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

const examples = readdirSync(join(root, 'examples'))
  .map((name) => `examples/${name}/README.md`)
  .filter((file) => existsSync(join(root, file)));

/** The page that is made of the sources; as a file it is nowhere, but may be linked to. */
export const errorCodesFile = 'docs/error-codes.md';

/** Files by heading; the heading of a page is the first line of its file. */
export const pages = {
  Guides: [
    'docs/guides/first-app.md',
    'docs/guides/from-testpmd.md',
    'docs/guides/containers.md',
    'docs/guides/choosing-a-path.md',
    'docs/guides/watching.md',
    'docs/guides/tuning.md',
    'docs/guides/security-model.md',
  ],
  Reference: ['packages/cli/README.md', errorCodesFile, 'bench/README.md', 'ARCHITECTURE.md'],
  Project: ['SECURITY.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'CODE_OF_CONDUCT.md'],
  Examples: examples,
};

/** @returns {{ title: string, text: string }} a Markdown file, without the heading that becomes its page's */
export function readPage(file) {
  const text = readFileSync(join(root, file), 'utf8');
  const [, title, rest] = /^# (.+)\n([^]*)$/.exec(text) ?? [];
  if (title === undefined) throw new Error(`${file} does not begin with a heading`);
  return { title, text: rest };
}

/**
 * Every entry of every published package whose names are for applications; `internal` is for the packages among each other.
 * @returns {{ name: string, source: string, readme: string | null }[]} the README belongs to a package's first entry
 */
export function apiEntries() {
  return readdirSync(join(root, 'packages')).flatMap((directory) => {
    const at = join(root, 'packages', directory);
    const manifest = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8'));
    if (manifest.private === true) return [];
    return Object.entries(manifest.exports ?? {}).flatMap(([entry, target]) => {
      const source = target['vio-source'];
      // A file that is a program exports nothing.
      if (source === undefined || /^\.\/internal|\/main$/.test(entry)) return [];
      const readme = entry === '.' ? `packages/${directory}/README.md` : null;
      return [{ name: join(manifest.name, entry), source: join(at, source), readme }];
    });
  });
}
