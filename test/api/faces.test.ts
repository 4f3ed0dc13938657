// A package has an entry for applications, of which the versions promise something, and `./internal` for its siblings.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ownFiles } from '../support/own-files.ts';
import { codeBlocks } from '../readme/code-blocks.ts';
import { type Entry, publishedEntries } from './published-types.ts';

const root = join(import.meta.dirname, '../..');
const entries = publishedEntries();
const packageOf = ({ specifier }: Entry): string => specifier.split('/')[1] ?? '';
const packages = [...new Set(entries.map(packageOf))];

const listed = ({ specifier, names }: Entry): string =>
  [specifier, ...names.map((name) => `  ${name}`)].join('\n');

describe.each(packages)('@vio/%s', (name) => {
  const own = entries.filter((entry) => packageOf(entry) === name);

  // After a change on purpose: npx vitest run test/api -u
  it('exports the names that are written down', async () => {
    await expect(`${own.map(listed).join('\n\n')}\n`).toMatchFileSnapshot(`names/${name}.txt`);
  });

  it('has no name in both entries', () => {
    expect(own.flatMap(({ twice }) => twice)).toEqual([]);
  });

  it('exports every type that its signatures mention', () => {
    expect(own.flatMap(({ unnamed }) => unnamed)).toEqual([]);
  });
});

/** What is there under more than one place. */
function ambiguous(found: Iterable<readonly [name: string, place: string]>): string[] {
  const places = new Map<string, Set<string>>();
  for (const [name, place] of found) places.set(name, (places.get(name) ?? new Set()).add(place));
  return [...places].filter(([, at]) => at.size > 1).map(([name, at]) => `${name}: ${[...at].join(', ')}`);
}

describe('no two packages give one name', () => {
  it('to different exports', () => {
    expect(ambiguous(entries.flatMap(({ places }) => [...places]))).toEqual([]);
  });

  it('to different types of their sources', () => {
    const sources = ownFiles('packages', /\.ts$/).filter(
      (file) => !/\.test\.ts$|\/test-support\//.test(file),
    );
    const types = sources.flatMap((file) =>
      Array.from(
        readFileSync(join(root, file), 'utf8').matchAll(/^export (?:class|interface|type) (\w+)/gm),
        ([, name]) => [name, file.split('/')[1]] as const,
      ),
    );
    expect(ambiguous(types)).toEqual([]);
  });
});

const insideUse = /['"]@vio\/[\w-]+\/internal['"/]/;

describe('a program of the documentation imports what is for applications', () => {
  it.each(ownFiles('examples', /\.(ts|js|mjs)$/))('%s', (file) => {
    expect(readFileSync(join(root, file), 'utf8')).not.toMatch(insideUse);
  });

  it.each(ownFiles('.', /\.md$/))('%s', (file) => {
    expect(codeBlocks(join(root, file)).filter(({ code }) => insideUse.test(code))).toEqual([]);
  });
});
