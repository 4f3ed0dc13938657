import { expect, it } from 'vitest';
import { wholePairs } from './whole-pairs.ts';

it.each([
  [[], 0],
  [[0], 0],
  [[0, 1], 1],
  [[0, 1, 4, 5], 1],
  [[3, 2, 1, 0], 2],
])('of the queues %j the pairs are %i', (queues, pairs) => {
  expect(wholePairs(new Set(queues))).toBe(pairs);
});
