import { fuzzing, unseen } from '@vio/rings/testing';
import { expect, it } from 'vitest';
import { fuzzPcap } from '../test-support/pcap-fuzz.ts';

const { states, seed, timeout } = fuzzing();

it(`pcap files are read, or refused, in ${states} states (seed ${seed})`, { timeout }, () => {
  const fuzzed = fuzzPcap(states, seed);
  expect(fuzzed.findings).toEqual([]);
  expect(unseen(fuzzed, 'read', 'refused')).toEqual([]);
});
