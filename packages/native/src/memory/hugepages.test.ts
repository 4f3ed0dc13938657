import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freeHugepages, hugepageDirectory } from './hugepages.ts';

describe('huge pages that are free', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'vio-hugepages-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  const pool = (size: '2M' | '1G', counts: Readonly<Record<string, string>>): void => {
    const directory = hugepageDirectory(size, root);
    mkdirSync(directory);
    for (const [name, text] of Object.entries(counts)) writeFileSync(join(directory, name), text);
  };

  it('are those that nobody has and nobody was promised, by size', () => {
    pool('2M', { free_hugepages: '12\n', resv_hugepages: '3\n' });
    pool('1G', { free_hugepages: '1\n', resv_hugepages: '0\n' });
    expect([freeHugepages('2M', root), freeHugepages('1G', root)]).toEqual([9, 1]);
  });

  it('are none when more were promised than are free, as for a moment', () => {
    pool('2M', { free_hugepages: '1\n', resv_hugepages: '2\n' });
    expect(freeHugepages('2M', root)).toBe(0);
  });

  it.each([
    ['has none of this size', {}],
    ['hides how many were promised', { free_hugepages: '12\n' }],
  ])('are none where the kernel %s', (_, counts) => {
    if (Object.keys(counts).length > 0) pool('2M', counts);
    expect(freeHugepages('2M', root)).toBe(0);
  });
});
