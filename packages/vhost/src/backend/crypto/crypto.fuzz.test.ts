import { fuzzing, unseen } from '@vio/rings/testing';
import { expect, it } from 'vitest';
import { fuzzCryptoRequests, fuzzCryptoSessions } from '../../test-support/crypto-fuzz.ts';

const { states, seed, timeout } = fuzzing(2000);

it(`requests are carried out, or get a status, in ${states} states (seed ${seed})`, { timeout }, () => {
  const fuzzed = fuzzCryptoRequests(states, seed);
  expect(fuzzed.findings).toEqual([]);
  const statuses = ['status 0', 'status 2', 'status 3', 'status 4'];
  expect(unseen(fuzzed, ...statuses, 'right, with zero copy', 'right, with copies')).toEqual([]);
});

it(`sessions are opened, or refused by a number, in ${states} states (seed ${seed})`, { timeout }, () => {
  const fuzzed = fuzzCryptoSessions(states, seed);
  expect(fuzzed.findings).toEqual([]);
  expect(unseen(fuzzed, 'opened', 'refused 2', 'refused 3', 'refused 5', 'no size')).toEqual([]);
});
