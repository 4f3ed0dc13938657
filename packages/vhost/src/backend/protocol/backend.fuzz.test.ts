import { fuzzing, unseen } from '@vio/rings/testing';
import { expect, it } from 'vitest';
import { fuzzBackend } from '../../test-support/backend-fuzz.ts';

const { states, seed, timeout } = fuzzing();

it(`a backend survives ${states} messages of hostile frontends (seed ${seed})`, { timeout }, async () => {
  const fuzzed = await fuzzBackend(states, seed);
  expect(fuzzed.findings).toEqual([]);
  expect(
    unseen(
      fuzzed,
      'newDevice',
      'destroyDevice',
      'VIO_VHOST_STATE',
      'AVAIL_INDEX_JUMPED',
      'dequeued',
      'enqueued',
    ),
  ).toEqual([]);
});
