import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Setup, setUp } from '../test-support/device-setup.ts';
import { freshPackedBase, packedBaseFromRing } from './packed-base.ts';

const buffer = { address: 0x1_ffff_c000, length: 1 };

/** A ring, and what it says of bases. */
function ring(options: Setup = {}) {
  const pair = setUp('packed', { indirect: false, ...options });
  const { driver, queue, chains, memory } = pair;
  return {
    ...pair,
    /** Makes chains of these lengths available. */
    expose: (...lengths: number[]) =>
      driver.expose(...lengths.map((length) => Array.from({ length }, () => buffer))),
    /** The device uses as many of the chains that are available. */
    use: (count: number) => queue.complete(chains, 0, queue.fetch(chains, count)),
    /** A batch of buffers that were read goes back. */
    reap: () => driver.used(),
    base: (given: number) =>
      packedBaseFromRing(memory, driver.addresses.descriptors, driver.size, driver.features.inOrder, given),
  };
}

/** A base with both positions there. */
const at = (slot: number, wrap: number): number =>
  ((((wrap << 15) | slot) << 16) | (wrap << 15) | slot) >>> 0;
const ended = (queue: { base(): number }) => queue.base() >>> 16;

describe('the base of a packed ring', () => {
  it('is the one of a fresh ring where one that never ran is said to be at 0, wrap counters and all', () => {
    expect(ring().base(0)).toBe(freshPackedBase);
  });

  it.each([1, 7, 8])('is so also when its driver has made %i buffers available', (count) => {
    const { expose, base } = ring();
    for (let i = 0; i < count; i++) expose(1);
    expect(base(0)).toBe(freshPackedBase);
  });

  it.each([
    ['the first lap', 5],
    ['the end of the first lap', 8],
    ['the second lap', 13],
    ['the third lap', 19],
  ])('is found in %s, where the one of a fresh ring is stale', (_, used) => {
    const { expose, use, reap, base, queue } = ring();
    for (let i = 0; i < used; i++) {
      expose(1);
      use(1);
      reap();
    }
    expect(base(freshPackedBase)).toBe(queue.base());
  });

  it('is found in a ring that is full of buffers for the device', () => {
    const { expose, use, reap, base, queue } = ring();
    for (let i = 0; i < 8; i++) expose(1);
    use(5);
    reap();
    for (let i = 0; i < 5; i++) expose(1);
    expect(base(freshPackedBase)).toBe(queue.base());
  });

  it('stands where it lies outside the ring: that is refused elsewhere', () => {
    expect(ring().base(at(8, 1))).toBe(at(8, 1));
  });

  it('cannot be found in a ring with chains of several slots, where the one that is said cannot be', () => {
    const { expose, use, reap, base } = ring();
    expose(2);
    use(1);
    reap();
    expose(1);
    use(1);
    expect(base(freshPackedBase)).toBe(undefined);
  });

  it('cannot be found in a ring with batches, where the one that is said cannot be', () => {
    const { expose, driver, base } = ring({ inOrder: true });
    expose(1, 1, 1);
    // One used descriptor, with the id of the last buffer, stands for all three.
    driver.memory.setU16(0x1_ffff_8000 + 14, 0x8080);
    expect(base(freshPackedBase)).toBe(undefined);
  });

  const rounds = fc.array(
    fc.record({
      expose: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
      use: fc.nat(3),
      reap: fc.boolean(),
    }),
    { maxLength: 25 },
  );

  it('stands where a device was there, whatever chains it had and used', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 9 }), rounds, (size, steps) => {
        const { driver, expose, use, reap, base, queue } = ring({ size });
        for (const step of steps) {
          for (const length of step.expose) if (length <= driver.free) expose(length);
          use(step.use);
          if (step.reap) reap();
          expect(base(queue.base())).toBe(queue.base());
        }
      }),
    );
  });

  it('is found from any other one, or is one that could have been, where every chain has one slot', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 9 }), rounds, fc.nat(3), fc.nat(1), (size, steps, slot, wrap) => {
        const { driver, expose, use, reap, base, queue } = ring({ size });
        for (const step of steps) {
          for (const _ of step.expose) if (driver.free > 0) expose(1);
          use(step.use);
          if (step.reap) reap();
        }
        const given = at(slot, wrap);
        expect([given >>> 16, ended(queue)]).toContain((base(given) ?? 0) >>> 16);
      }),
    );
  });
});
