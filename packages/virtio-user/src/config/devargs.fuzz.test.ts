import { fuzzing, unseen } from '@vio/rings/testing';
import { expect, it } from 'vitest';
import { fuzzDevargs } from '../test-support/devargs-fuzz.ts';

const { states, seed, timeout } = fuzzing();

it(`devargs are taken, or refused, in ${states} states (seed ${seed})`, { timeout }, () => {
  const fuzzed = fuzzDevargs(states, seed);
  expect(fuzzed.findings).toEqual([]);
  expect(
    unseen(fuzzed, 'parseDevargs', 'parseVirtioUserConfig', 'VIO_DEVARGS_VALUE', 'VIO_DEVARGS_SYNTAX'),
  ).toEqual([]);
});
