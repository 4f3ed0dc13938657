import type { RingPositions } from '@vio/rings';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawRing, placeText, runs } from './ring-drawing.ts';

const at = (driver: number, device: number, counts: Partial<RingPositions> = {}): RingPositions => ({
  driver: { slot: driver },
  device: { slot: device },
  held: 0,
  ...counts,
});

describe('the drawing of a ring', () => {
  it('has every slot in exactly one run', () => {
    const sizes = fc.integer({ min: 1, max: 32_768 });
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), fc.nat(), fc.nat(), (size, device, a, b, c) => {
        const used = a % (size + 1);
        const held = b % (size - used + 1);
        const available = c % (size - used - held + 1);
        const found = runs(size, at(0, device % size, { used, held, available }));
        expect(found.reduce((sum, { count }) => sum + count, 0)).toBe(size);
        const ends = found.map(({ from, count }) => (from + count) % size);
        expect(found.map(({ from }) => from)).toEqual([ends.at(-1), ...ends.slice(0, -1)]);
      }),
    );
  });

  it('begins with what is used, before the place of the device', () => {
    expect(runs(8, at(5, 1, { used: 3, held: 4 }))).toEqual([
      { state: 'used', from: 6, count: 3 },
      { state: 'held', from: 1, count: 4 },
      { state: 'free', from: 5, count: 1 },
    ]);
  });

  it('is made of finite numbers', () => {
    const { arcs, ticks, driver, device } = drawRing(8, at(5, 1, { held: 8 }));
    const all = [...arcs.map(({ path }) => path), ticks, driver, device].join('');
    expect(all).toMatch(/^[MLAZ\d. -]+$/);
  });

  it('is an empty ring where nobody knows', () => {
    expect(drawRing(256, undefined)).toMatchObject({ arcs: [{ state: 'free' }], driver: '', device: '' });
  });

  it('has lines between slots only where they can be seen', () => {
    expect([drawRing(64, at(0, 0)).ticks === '', drawRing(128, at(0, 0)).ticks === '']).toEqual([
      false,
      true,
    ]);
  });
});

it.each([
  [{ slot: 5, wrap: 1 }, '5 wrap 1'],
  [{ slot: 5, index: 65_285 }, '5 (index 65285)'],
  [{ slot: 5, index: 5 }, '5'],
])('the place %j is called %s', (place, text) => expect(placeText(place)).toBe(text));
