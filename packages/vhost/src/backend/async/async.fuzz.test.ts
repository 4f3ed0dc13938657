import { fuzzing } from '@vio/rings/testing';
import { expect, it } from 'vitest';
import { fuzzAsync } from '../../test-support/async-fuzz.ts';
import { CopyThread } from './copy-thread.ts';

const { states, seed, timeout } = fuzzing(6000);

it(`survives ${states} states of hostile drivers and engines (seed ${seed})`, { timeout }, async () => {
  const threads = [CopyThread.create({ spin: 0 }), CopyThread.create()];
  const { findings, ...seen } = await fuzzAsync(states, seed, threads);
  expect(findings).toEqual([]);
  expect(Math.min(seen.sent, seen.received, seen.compared)).toBeGreaterThan(20);
  expect(seen.faults).toBeGreaterThan(0);
});
