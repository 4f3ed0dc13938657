import { expect, it } from 'vitest';
import { fuzzing, unseen } from '../testing/fuzzing.ts';
import { fuzzDump } from '../test-support/dump-fuzz.ts';

const { states, seed, timeout } = fuzzing(5000);

it(`dumps survive ${states} rings of garbage (seed ${seed})`, { timeout }, () => {
  const fuzzed = fuzzDump(states, seed);
  expect(fuzzed.findings).toEqual([]);
  expect(unseen(fuzzed, 'chain', 'wrong chain', 'table')).toEqual([]);
});
