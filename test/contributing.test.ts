// CONTRIBUTING.md and ARCHITECTURE.md send people to files: they are there.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

/** Paths from the root that a text names as code; a `*` stands for every package. */
function paths(text: string): string[] {
  return Array.from(
    text.matchAll(/`((?:packages|test|bench|examples|scripts)\/[^`\s]*)`/g),
    ([, path]) => path,
  );
}

describe.each(['CONTRIBUTING.md', 'ARCHITECTURE.md'])('%s', (name) => {
  it('names files and folders that there are', () => {
    const named = paths(readFileSync(join(root, name), 'utf8')).filter((path) => !path.includes('*'));
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
