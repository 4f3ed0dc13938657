import { expect, it } from 'vitest';
import { fuzzing, unseen } from '../testing/fuzzing.ts';
import { fuzzInflight } from '../test-support/inflight-fuzz.ts';

const { states, seed, timeout } = fuzzing();

it(`journals survive ${states} states of notes that nobody wrote (seed ${seed})`, { timeout }, () => {
  const fuzzed = fuzzInflight(states, seed);
  expect(fuzzed.findings).toEqual([]);
  expect(unseen(fuzzed, 'opened split', 'opened packed', 'chain', 'broken', 'VIO_RING_INFLIGHT')).toEqual([]);
});
