import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { freshMemory } from '../testing/guest-memory.ts';
import { ChainBurst } from './chain-burst.ts';
import { formats, segmentsOf, setUp } from '../test-support/device-setup.ts';

/**
 * Memory of a few KiB at address 0: random addresses and lengths are rarely valid, so some of the bytes are drawn
 * small, which makes them small numbers more often.
 */
const windows = [
  { guestAddress: 0, size: 0x800 },
  { guestAddress: 0x800, size: 0x800 },
];
const bytes = fc.oneof(
  { weight: 6, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.nat(8) },
  { weight: 1, arbitrary: fc.constantFrom(0x80, 0xff) },
  { weight: 1, arbitrary: fc.nat(255) },
);

describe.each(formats)('%s', (format) => {
  it('survives a ring full of garbage that changes all the time', () => {
    fc.assert(
      fc.property(fc.array(bytes, { minLength: 200, maxLength: 1000 }), fc.nat(), (garbage, seed) => {
        const memory = freshMemory(...windows);
        const { driver, queue } = setUp(format, { memory, size: 4, eventIdx: seed % 2 === 0 });
        const chains = new ChainBurst(4, 16);
        let at = seed;
        for (let round = 0; round < 8; round++) {
          driver.scramble(() => garbage[at++ % garbage.length]);
          // An avail.idx that jumps is caught at once, so give the walk behind it something to do.
          if (format === 'split' && round % 4 !== 3) driver.setAvailIndex(queue.base() + (at % 3));
          const count = queue.fetch(chains, 4);
          for (let i = 0; i < count; i++) {
            for (const [window, offset, length] of segmentsOf(chains, i)) {
              expect(offset >= 0 && length > 0 && offset + length <= memory.windows[window].size).toBe(true);
            }
          }
          queue.complete(chains, 0, count);
          queue.callNeeded();
          queue.armKick();
        }
      }),
      { numRuns: 500 },
    );
  });

  it('such garbage gets as far as buffers and indirect tables', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(bytes, { minLength: 200, maxLength: 400 }), (garbage) => {
        const { driver, queue, chains } = setUp(format, { memory: freshMemory(...windows), size: 4 });
        let at = 0;
        driver.scramble(() => garbage[at++ % garbage.length]);
        if (format === 'split') driver.setAvailIndex(1);
        while (queue.fetch(chains, 4) > 0) queue.complete(chains, 0, chains.count);
        seen.add(queue.broken?.code ?? 'none');
      }),
      { numRuns: 1000, seed: 1 },
    );
    expect([...seen]).toEqual(expect.arrayContaining(['ADDRESS_UNMAPPED', 'INDIRECT_LENGTH']));
  });
});
