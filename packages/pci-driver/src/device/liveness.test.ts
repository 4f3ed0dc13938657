import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { watch } from './liveness.ts';

it.each([Infinity, 2 ** 31])(
  'a card that is to be looked at every %s milliseconds is not yet',
  async (interval) => {
    let looks = 0;
    const timer = watch(() => looks++, interval);
    await sleep(20);
    clearInterval(timer);
    expect(looks).toBe(0);
  },
);
