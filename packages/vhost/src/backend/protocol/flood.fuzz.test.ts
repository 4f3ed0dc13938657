import { fuzzing } from '@vio/rings/testing';
import { expect, it } from 'vitest';
import { floodBackend } from '../../test-support/flood-fuzz.ts';
import { frontendRequests } from '../../wire/index.ts';

/** Of each kind; a million where other fuzzers do ten. */
const { states, seed, timeout } = fuzzing(4000);
const messages = states / 10;

it.each(Object.values(frontendRequests).map((row) => [row.name, row] as const))(
  `${messages} messages %s of which no answer is read: nothing is thrown, nothing piles up, nothing is left (seed ${seed})`,
  { timeout },
  async (_name, row) => {
    expect((await floodBackend(row, messages, seed)).findings).toEqual([]);
  },
);
