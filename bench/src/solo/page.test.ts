import { expect, it } from 'vitest';
import { rangeOfMedian } from './page.ts';

// Ranks of the usual tables of the sign test, at 95 %.
it.each([
  [6, 1],
  [10, 2],
  [20, 6],
  [30, 10],
  [100, 40],
])('of %i samples the median lies between the one of rank %i and its like from above', (count, rank) => {
  const samples = Array.from({ length: count }, (_, i) => ((i * 7) % count) + 1);
  expect(rangeOfMedian(samples)).toEqual([rank, count + 1 - rank]);
});

it('of few samples it is somewhere among them', () => {
  expect(rangeOfMedian([3, 1, 2])).toEqual([1, 3]);
});
