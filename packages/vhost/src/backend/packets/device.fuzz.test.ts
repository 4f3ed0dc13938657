import { expect, it } from 'vitest';
import { fuzzDevice } from '../test-support/device-fuzz.ts';

const states = Number(process.env.VIO_FUZZ_STATES ?? 100_000);
const seed = Number(process.env.VIO_FUZZ_SEED ?? 1);

it(
  `survives ${states} states of hostile drivers, native and portable alike (seed ${seed})`,
  { timeout: 30_000 + states },
  () => {
    const { findings, ...seen } = fuzzDevice(states, seed);
    expect(findings).toEqual([]);
    expect(seen.states).toBe(states);
    // They got far: packets went both ways, and queues broke for many reasons.
    expect(Math.min(seen.received, seen.sent, 5 * Object.keys(seen.broken).length)).toBeGreaterThan(20);
  },
);
