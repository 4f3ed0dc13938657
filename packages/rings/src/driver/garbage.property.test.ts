import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { QueueFaultCode } from '../fault.ts';
import { kinds, setUp, type Kind } from '../test-support/driver-setup.ts';

/** Some bytes are drawn small, which makes ids and index steps good now and then. */
const bytes = fc.oneof(
  { weight: 6, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.nat(4) },
  { weight: 1, arbitrary: fc.constantFrom(0x80, 0xff) },
  { weight: 1, arbitrary: fc.nat(255) },
);
const garbageLists = fc.array(bytes, { minLength: 200, maxLength: 600, size: 'max' });

interface Options {
  readonly kind: Kind;
  readonly garbage: readonly number[];
  readonly seed: number;
  readonly size: number;
}

/**
 * Moves buffers through a queue whose memory is overwritten before every step. @returns what was given back, and why
 * it ended
 */
function run({ kind, garbage, seed, size }: Options) {
  const indirect = seed % 3 === 0;
  const all = setUp(kind, { size, indirect, eventIdx: seed % 2 === 0, deviceWrites: seed % 5 === 0 });
  const { queue, device, region, pool } = all;
  const outstanding = new Set<number>();
  let at = seed;
  let back = 0;
  const outside = () => [
    Buffer.from(region.u8.subarray(0, queue.addresses.descriptors)),
    Buffer.from(region.u8.subarray(pool.dataBase - pool.headroom)),
  ];
  const before = outside().map((part) => Buffer.from(part));

  const takeBack = (tokens: readonly number[]) => {
    for (const token of tokens) {
      expect(outstanding.delete(token)).toBe(true);
      back++;
    }
  };
  for (let round = 0; round < 12; round++) {
    for (const token of [...all.add(1, 2), ...all.addChains([3, 4], [5])]) {
      expect(outstanding.has(token)).toBe(false);
      outstanding.add(token);
    }
    device.scramble(() => garbage[at++ % garbage.length]);
    // An index that jumps is caught at once, so give the walk behind it something to do.
    if (kind.format === 'split' && round % 4 !== 3) device.setUsedIndex(back + (at % 3));
    queue.kickNeeded();
    queue.armInterrupt();
    takeBack(all.reap(1 + (at % 4)).map(([token]) => token));
    queue.disarmInterrupt();
    expect(queue.outstanding).toBe(outstanding.size);
  }
  const code: QueueFaultCode | 'none' = queue.broken?.code ?? 'none';
  expect(outside().every((part, i) => part.equals(before[i]))).toBe(true);
  takeBack(all.reclaim());
  const end = { lost: pool.count - pool.free, taken: size - queue.free, left: outstanding.size };
  return { back, code, end };
}

describe.each(kinds)('$format, in order: $inOrder', (kind) => {
  const sizes = kind.format === 'split' ? fc.constantFrom(1, 2, 4, 8) : fc.integer({ min: 1, max: 8 });

  it('survives a device that writes garbage all over the ring, and gives every buffer back once', () => {
    fc.assert(
      fc.property(garbageLists, fc.nat(), sizes, (list, seed, size) => {
        const { end } = run({ kind, garbage: list, seed, size });
        expect(end).toEqual({ lost: 0, taken: 0, left: 0 });
      }),
      { numRuns: 300 },
    );
  });

  it('such garbage gets as far as used buffers and bad ids', () => {
    let back = 0;
    const codes = new Set<string>();
    fc.assert(
      fc.property(garbageLists, fc.nat(), (list, seed) => {
        const result = run({ kind, garbage: list, seed, size: 8 });
        back += result.back;
        codes.add(result.code);
      }),
      { numRuns: 200, seed: 1 },
    );
    const expected = kind.format === 'split' ? ['USED_ID_INVALID', 'USED_INDEX_JUMPED'] : ['USED_ID_INVALID'];
    expect([...codes]).toEqual(expect.arrayContaining(expected));
    expect(back).toBeGreaterThan(5 * 200);
  });
});
