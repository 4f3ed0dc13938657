import { fuzzing, unseen } from '@vio/rings/testing';
import { expect, it } from 'vitest';
import { fuzzFrontend, fuzzListener } from '../test-support/frontend-fuzz.ts';

const { states, seed, timeout } = fuzzing(5000);

it(`a frontend survives ${states} answers of hostile backends (seed ${seed})`, { timeout }, async () => {
  const fuzzed = await fuzzFrontend(states, seed);
  expect(fuzzed.findings).toEqual([]);
  expect(unseen(fuzzed, 'GET_VRING_BASE', 'GET_CONFIG', 'GET_INFLIGHT_FD', 'SET_MEM_TABLE')).toEqual([]);
});

it(`a frontend survives ${states} requests of hostile backends (seed ${seed})`, { timeout }, async () => {
  const fuzzed = await fuzzListener(states, seed);
  expect(fuzzed.findings).toEqual([]);
  expect(unseen(fuzzed, 'configChanged', 'failed')).toEqual([]);
});
