import { fuzzing, unseen } from '@vio/rings/testing';
import { expect, it } from 'vitest';
import { fuzzPackets } from '../test-support/packet-fuzz.ts';

const { states, seed, timeout } = fuzzing();

it(`whatever looks at frames stays in them, in ${states} states (seed ${seed})`, { timeout }, () => {
  const fuzzed = fuzzPackets(states, seed);
  expect(fuzzed.findings).toEqual([]);
  expect(unseen(fuzzed, 'readied', 'readied to be cut', 'stopped', 'stripped')).toEqual([]);
});
