import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { freshMemory } from '../testing/guest-memory.ts';
import { LateWindow, MemoryMap } from './memory-map.ts';
import { Region } from './region.ts';

/** Up to eight windows above one another, touching or apart, some across a 4 GiB boundary or high up. */
const layouts = fc
  .tuple(
    fc.constantFrom(0, 0x1000, 0xffff_f000, 0x7f00_0000_1000, 2 ** 53 - 2 ** 41),
    fc.array(fc.record({ gap: fc.nat(3), size: fc.integer({ min: 1, max: 64 }) }), {
      minLength: 1,
      maxLength: 8,
    }),
  )
  .map(([start, steps]) => {
    let at = start;
    return steps.map(({ gap, size }) => {
      const window = { guestAddress: at + gap, size };
      at += gap + size;
      return window;
    });
  });

describe('MemoryMap', () => {
  it('finds for every address around its windows what a search through all of them finds', () => {
    fc.assert(
      fc.property(layouts, fc.integer({ min: -2, max: 700 }), (windows, distance) => {
        const address = windows[0].guestAddress + distance;
        const expected = windows.findIndex(
          (w) => address >= w.guestAddress && address < w.guestAddress + w.size,
        );
        expect(freshMemory(...windows).find(address)).toBe(expected);
      }),
    );
  });

  it('gives the guest address of each window in halves', () => {
    fc.assert(
      fc.property(layouts, (windows) => {
        const map = freshMemory(...windows);
        const joined = windows.map((_, i) => map.guestHigh[i] * 2 ** 32 + (map.guestLow[i] >>> 0));
        expect(joined).toEqual(windows.map((w) => w.guestAddress));
      }),
    );
  });

  it('sorts its windows by guest address', () => {
    const map = freshMemory({ guestAddress: 0x3000, size: 16 }, { guestAddress: 0x1000, size: 16 });
    expect([...map.guestBase]).toEqual([0x1000, 0x3000]);
  });

  it('finds contiguous bytes by guest and by user address', () => {
    const map = freshMemory({ guestAddress: 0x1000, size: 64 }, { guestAddress: 0x9000, size: 64 });
    expect(map.fromGuest(0x9010, 48)).toEqual({ window: 1, offset: 16 });
    expect(map.fromUser(2 ** 40 + 0x1000, 64)).toEqual({ window: 0, offset: 0 });
  });

  it('does not call bytes contiguous that lie in two windows', () => {
    const map = freshMemory({ guestAddress: 0x1000, size: 64 }, { guestAddress: 0x1040, size: 64 });
    expect(map.fromGuest(0x1030, 32)).toBe(undefined);
  });

  it('refuses windows that overlap', () => {
    expect(() => freshMemory({ guestAddress: 0, size: 64 }, { guestAddress: 63, size: 64 })).toThrow(
      /overlap/,
    );
  });

  it.each([0, 65, 1.5])('refuses a window of %d bytes on a region of 64', (size) => {
    const region = new Region(new ArrayBuffer(64));
    expect(() => new MemoryMap([{ region, guestAddress: 0, userAddress: 0, size }])).toThrow(/does not fit/);
  });

  it.each([-1, 0.5, 2 ** 53, 2 ** 53 - 32])('refuses a window of 64 bytes at address %d', (guestAddress) => {
    const region = new Region(new ArrayBuffer(64));
    expect(() => new MemoryMap([{ region, guestAddress, userAddress: 0, size: 64 }])).toThrow(/2\^53/);
  });
});

describe('windows of one memory that reach into each other', () => {
  const memory = new ArrayBuffer(192);
  const window = (at: number, reach: number) => ({
    region: new Region(memory, at, 64 + reach),
    guestAddress: 0x1000 + at,
    userAddress: 0x9000 + at,
    size: 64,
    reach,
  });
  const map = new MemoryMap([window(0, 32), window(64, 32), window(128, 0)]);

  it('make what lies across their border contiguous', () => {
    expect([map.fromGuest(0x1030, 40), map.fromUser(0x9070, 48)]).toEqual([
      { window: 0, offset: 0x30 },
      { window: 1, offset: 0x30 },
    ]);
  });

  it('make nothing contiguous that goes further', () => {
    expect([map.fromGuest(0x1030, 49), map.fromUser(0x9080, 65)]).toEqual([undefined, undefined]);
  });

  it('each find their own bytes', () => {
    const found = [0, 63, 64, 127, 128, 191, 192].map((at) => map.find(0x1000 + at));
    expect(found).toEqual([0, 0, 1, 1, 2, 2, -1]);
  });

  it('have to be in their regions with what they reach', () => {
    const short = { ...window(0, 32), region: new Region(memory, 0, 80) };
    expect(() => new MemoryMap([short])).toThrow(/does not fit/);
  });
});

it('a late window has its region made when it is first asked for, once', () => {
  let made = 0;
  const late = new LateWindow({ guestAddress: 0, userAddress: 0, size: 64, reach: 0 }, () => {
    made++;
    return new Region(new ArrayBuffer(64));
  });
  const map = new MemoryMap([late]);
  const before = [map.find(5), made];
  expect([before, map.windows[0].region === map.windows[0].region, made]).toEqual([[0, 0], true, 1]);
});
