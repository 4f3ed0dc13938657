import { expect, it } from 'vitest';
import { Pace } from './pace.ts';

function after(...costs: readonly number[]): number {
  const pace = new Pace();
  for (const cost of costs) pace.cost(cost);
  return pace.interval;
}

it.each([
  ['cheap', [0.3, 0.3], 1000],
  ['dear', [20, 20, 20, 20], 4000],
  ['dear once', [0.3, 200, 0.3], 1000],
  ['cheap long ago', [0.3, 20, 20, 20, 20], 4000],
  ['very dear', [500, 500, 500, 500], 10_000],
])('where looks are %s, there is one every so often', (_, costs, interval) => {
  expect(after(...costs)).toBe(interval);
});
