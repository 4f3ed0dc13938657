import { describe, expect, it } from 'vitest';
import type { Cell } from '../compare.ts';
import type { Duel } from '../duel.ts';
import { ratioTable, table } from './markdown.ts';

const duel = (distance: Duel['distance'], ours: number, dpdk: number): Duel => ({
  distance,
  ours,
  dpdk,
  empty: 0.7,
  full: 0.1,
});
const cell = (duels: readonly Duel[]): Cell => ({
  side: 'frontend',
  row: 'split mergeable',
  mode: 'txonly',
  length: 64,
  duels,
});

describe('ratioTable', () => {
  it('says ratio, rates, pairs of windows and shares of polls', () => {
    const text = ratioTable([cell([duel('near', 3e7, 2e7), duel('near', 4e7, 2e7)])], 'frontend', 'near');
    expect(text).toContain('| split mergeable | **1.75** (35.0 / 20.0; 2; 70 / 10 %) |');
  });

  it('has nothing of windows at other distances, and of the other side', () => {
    const cells = [cell([duel('far', 3e7, 2e7)])];
    expect([ratioTable(cells, 'frontend', 'near'), ratioTable(cells, 'backend', 'far')]).toEqual(['', '']);
  });
});

describe('table', () => {
  it('aligns numbers to the right', () => {
    expect(table(['a', 'b'], [['c', '1']])).toBe('| a | b |\n| --- | ---: |\n| c | 1 |');
  });
});
