import { fuzzing, unseen } from '@vio/rings/testing';
import { expect, it } from 'vitest';
import { fuzzPayloads, fuzzReader } from '../test-support/wire-fuzz.ts';

const { states, seed, timeout } = fuzzing(5000);

it(`payloads are decoded, or refused, in ${states} states (seed ${seed})`, { timeout }, () => {
  const fuzzed = fuzzPayloads(states, seed);
  expect(fuzzed.findings).toEqual([]);
  expect(
    unseen(fuzzed, 'SET_VRING_ADDR', 'SET_MEM_TABLE', 'GET_CONFIG', 'answer to GET_INFLIGHT_FD'),
  ).toEqual([]);
});

it(`a reader gives the messages that were sent, in ${states} states (seed ${seed})`, { timeout }, () => {
  const fuzzed = fuzzReader(states, seed);
  expect(fuzzed.findings).toEqual([]);
  expect(unseen(fuzzed, 'read', 'refused')).toEqual([]);
});
