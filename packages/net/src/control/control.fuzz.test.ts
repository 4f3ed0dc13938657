import { fuzzing, unseen } from '@vio/rings/testing';
import { expect, it } from 'vitest';
import { fuzzCommandQueue, fuzzCommands, fuzzResponder } from '../test-support/control-fuzz.ts';

const { states, seed, timeout } = fuzzing(5000);

it(`commands are decoded, or not, in ${states} states (seed ${seed})`, { timeout }, () => {
  const fuzzed = fuzzCommands(states, seed);
  expect(fuzzed.findings).toEqual([]);
  expect(unseen(fuzzed, 'mac-table', 'rss', 'hash', 'queue-pairs')).toEqual([]);
});

it(`a responder survives ${states} states of hostile drivers (seed ${seed})`, { timeout }, () => {
  const fuzzed = fuzzResponder(states, seed);
  expect(fuzzed.findings).toEqual([]);
  expect(unseen(fuzzed, 'served', 'rss', 'mac-table', 'queue-pairs')).toEqual([]);
});

it(`a command queue survives ${states} states of hostile devices (seed ${seed})`, { timeout }, () => {
  const fuzzed = fuzzCommandQueue(states, seed);
  expect(fuzzed.findings).toEqual([]);
  expect(unseen(fuzzed, 'split done', 'split broken', 'packed done', 'packed waiting')).toEqual([]);
});
