import { fuzzing } from '@vio/rings/testing';
import { expect, it } from 'vitest';
import { fuzzDevice } from '../../test-support/device-fuzz.ts';

const { states, seed, timeout } = fuzzing(20_000);

it(
  `survives ${states} states of hostile drivers, native and portable alike (seed ${seed})`,
  { timeout },
  () => {
    const { findings, ...seen } = fuzzDevice(states, seed);
    expect(findings).toEqual([]);
    expect(seen.states).toBe(states);
    // They got far: packets went both ways, and queues broke for many reasons.
    expect(Math.min(seen.received, seen.sent, 5 * Object.keys(seen.broken).length)).toBeGreaterThan(20);
  },
);
