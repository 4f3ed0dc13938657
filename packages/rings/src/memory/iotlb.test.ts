import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Iotlb, mayRead, mayWrite } from './iotlb.ts';
import { MemoryMap } from './memory-map.ts';
import { Region } from './region.ts';

const page = 4096;
const both = mayRead | mayWrite;

/** Two windows of 16 pages that follow each other in the frontend's addresses, and one elsewhere. */
const windows = [0x10_0000, 0x10_0000 + 16 * page, 0x7f00_0000_0000].map((userAddress, i) => ({
  region: new Region(new ArrayBuffer(16 * page)),
  guestAddress: i * 0x100_0000,
  userAddress,
  size: 16 * page,
}));

function setUp(capacity?: number) {
  const asked: [number, boolean][] = [];
  const denied = new Set<number>();
  const iotlb = new Iotlb((at, writable) => {
    asked.push([at, writable]);
    return !denied.has(at);
  }, capacity);
  iotlb.setMemory(new MemoryMap(windows));
  return { iotlb, asked, denied };
}

describe('a cache of translations', () => {
  it('finds what lies at an address, and as much of it as is in one piece', () => {
    const { iotlb, asked } = setUp();
    iotlb.insert(0x8000, 0x8000 + 2 * page, 0x10_0000 + page, both);
    expect([iotlb.locate(0x8010, 100, true), iotlb.window, iotlb.offset]).toEqual([100, 0, page + 0x10]);
    expect([iotlb.start, iotlb.startOffset, iotlb.size, iotlb.access]).toEqual([
      0x8000,
      page,
      2 * page,
      both,
    ]);
    expect([iotlb.locate(0x8000 + 2 * page - 4, 100, false), asked]).toEqual([4, []]);
  });

  it('asks for the page of what it does not know, or what is not allowed', () => {
    const { iotlb, asked, denied } = setUp();
    iotlb.insert(0x8000, 0x9000, 0x10_0000, mayRead);
    expect([
      iotlb.locate(0x7fff, 1, false),
      iotlb.locate(0x9001, 1, true),
      iotlb.locate(0x8010, 1, true),
    ]).toEqual([-1, -1, -1]);
    denied.add(0xa000);
    expect([iotlb.locate(0xafff, 1, false), iotlb.locate(0x8010, 1, false)]).toEqual([0, 1]);
    expect(asked).toEqual([
      [0x7000, false],
      [0x9000, true],
      [0x8000, true],
      [0xa000, false],
    ]);
  });

  it('ends at the borders of windows, and finds nothing outside of them', () => {
    const { iotlb, asked } = setUp();
    iotlb.insert(0, 64 * page, 0x10_0000, both);
    expect([iotlb.locate(15 * page, 2 * page, false), iotlb.window]).toEqual([page, 0]);
    expect([iotlb.locate(16 * page, 2 * page, false), iotlb.window, iotlb.offset]).toEqual([2 * page, 1, 0]);
    expect([iotlb.locate(32 * page, 1, false), asked]).toEqual([0, []]);
    expect([iotlb.hasMemory(0x7f00_0000_0000), iotlb.hasMemory(0x10_0000 - 1)]).toEqual([true, false]);
  });

  it('forgets as a whole what a new range, or an invalidation, overlaps', () => {
    const { iotlb } = setUp();
    iotlb.insert(0x8000, 0xa000, 0x10_0000, both);
    iotlb.insert(0x9000, 0xb000, 0x10_0000, both);
    expect([
      iotlb.count,
      iotlb.locate(0x8000, 1, false),
      iotlb.locate(0x9000, 1, false),
      iotlb.offset,
    ]).toEqual([1, -1, 1, 0]);
    expect([iotlb.remove(0xafff, 0xb000), iotlb.locate(0x9000, 1, false), iotlb.count]).toEqual([
      true,
      -1,
      0,
    ]);
    expect(iotlb.remove(0, 2 ** 53)).toBe(false);
  });

  it('never has more than its capacity, and still what came last', () => {
    const { iotlb } = setUp(8);
    for (let i = 0; i < 100; i++) {
      iotlb.insert(i * page, (i + 1) * page, 0x10_0000 + (i % 16) * page, both);
      expect([iotlb.count <= 8, iotlb.locate(i * page, 1, true), iotlb.offset]).toEqual([
        true,
        1,
        (i % 16) * page,
      ]);
    }
  });

  it('says of a part of a ring where it is, in one piece, in several, nowhere, or not yet', () => {
    const { iotlb, asked, denied } = setUp();
    iotlb.insert(0x8000, 0x9000, 0x10_0000, both);
    iotlb.insert(0x9000, 0xa000, 0x10_0000 + page, both);
    iotlb.insert(0xa000, 0xb000, 0x10_0000 + 5 * page, mayRead);
    expect(iotlb.place(0x8010, 2 * page - 0x10, true)).toBe(0x10_0010);
    expect(iotlb.userAt(0x8010, 2 * page - 0x10)).toBe(0x10_0010);
    expect([iotlb.place(0x9000, 2 * page, false), iotlb.userAt(0x9000, 2 * page)]).toEqual([
      'scattered',
      undefined,
    ]);
    expect([iotlb.place(0xa000, 4 * page, true), asked.map(([at]) => at)]).toEqual([
      'unknown',
      [0xa000, 0xb000, 0xc000, 0xd000],
    ]);
    denied.add(0xb000);
    expect(iotlb.place(0xa000, 2 * page, false)).toBe('none');
  });

  it('goes on in other memory', () => {
    const { iotlb } = setUp();
    iotlb.insert(0x8000, 0x9000, 0x10_0000, both);
    iotlb.setMemory(new MemoryMap(windows.slice(2)));
    expect(iotlb.locate(0x8000, 1, false)).toBe(0);
    iotlb.setMemory(new MemoryMap(windows));
    expect(iotlb.locate(0x8000, 1, false)).toBe(1);
  });

  it('is what a table of single pages is, after any changes', () => {
    const change = fc.record({
      from: fc.nat(40),
      pages: fc.integer({ min: 1, max: 12 }),
      user: fc.nat(31),
      access: fc.integer({ min: 0, max: 3 }),
      adds: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const { iotlb } = setUp(64);
        let ranges: { from: number; end: number; user: number; access: number }[] = [];
        for (const { from, pages, user, access, adds } of changes) {
          const end = from + pages;
          ranges = ranges.filter((range) => range.end <= from || range.from >= end);
          if (adds) {
            ranges.push({ from, end, user, access });
            iotlb.insert(from * page, end * page, 0x10_0000 + user * page, access);
          } else iotlb.remove(from * page, end * page);
          const found: number[] = [];
          const right: number[] = [];
          for (let at = 0; at < 60; at++) {
            const range = ranges.find((each) => at >= each.from && at < each.end);
            const there = range === undefined ? -1 : range.user + at - range.from;
            const readable = range !== undefined && (range.access & mayRead) !== 0;
            const expected = !readable ? -1 : there < 32 ? 8 : 0;
            found.push(iotlb.locate(at * page + 8, 8, false));
            right.push(expected);
            if (expected !== 8) continue;
            found.push(iotlb.window * 16 + iotlb.offset / page);
            right.push(there + 8 / page);
          }
          expect(found).toEqual(right);
        }
      }),
      { numRuns: 200 },
    );
  });
});
