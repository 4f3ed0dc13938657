import { fuzzing, unseen } from '@vio/rings/testing';
import { expect, it } from 'vitest';
import { fuzzDriver } from '../test-support/driver-fuzz.ts';

const { states, seed, timeout } = fuzzing(20_000);

it(
  `queue pairs survive ${states} states of hostile devices, by kernels as by TypeScript (seed ${seed})`,
  { timeout },
  () => {
    const fuzzed = fuzzDriver(states, seed);
    expect(fuzzed.findings).toEqual([]);
    expect(
      unseen(
        fuzzed,
        'compared',
        'native',
        'TypeScript',
        'split',
        'packed',
        'received',
        'sent',
        'USED_ID_INVALID',
      ),
    ).toEqual([]);
  },
);
