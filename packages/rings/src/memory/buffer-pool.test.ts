import { describe, expect, it } from 'vitest';
import { BufferPool } from './buffer-pool.ts';
import { Region } from './region.ts';

function pool(count: number, capacity: number): BufferPool {
  return new BufferPool({ region: new Region(new ArrayBuffer(capacity * 2176)), offset: 0, count, capacity });
}

/** Takes all there are. */
function all(of: BufferPool): number[] {
  const out = new Int32Array(of.capacity);
  return [...out.subarray(0, of.alloc(out, 0, of.capacity))];
}

describe('a pool that grows', () => {
  it('has the new buffers, beside those it had', () => {
    const growing = pool(3, 8);
    growing.grow(3, 2);
    expect([growing.count, growing.free]).toEqual([5, 5]);
    expect(all(growing)).toEqual([0, 1, 2, 3, 4]);
  });

  it('may leave some out', () => {
    const growing = pool(3, 8);
    growing.grow(5, 3);
    expect(all(growing)).toEqual([0, 1, 2, 5, 6, 7]);
  });

  it('grows while buffers are out, and takes them back', () => {
    const growing = pool(3, 8);
    const out = new Int32Array(3);
    growing.alloc(out, 0, 2);
    growing.grow(3, 5);
    growing.release(out, 0, 2);
    expect(all(growing).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it.each([
    ['over its capacity', 3, 6],
    ['over what it has', 2, 1],
  ])('does not grow %s', (_, first, count) => {
    expect(() => pool(3, 8).grow(first, count)).toThrow(RangeError);
  });

  it('needs memory for its capacity from the start', () => {
    const region = new Region(new ArrayBuffer(4 * 2176));
    expect(() => new BufferPool({ region, offset: 0, count: 3, capacity: 5 })).toThrow(/5 buffers/);
  });
});

it('a pool has no other options than it says', () => {
  const options = { region: new Region(new ArrayBuffer(65_536)), offset: 0, count: 1 };
  const misspelt = { ...options, dataroom: 512 };
  expect(() => new BufferPool(misspelt)).toThrow(expect.objectContaining({ code: 'VIO_OPTION_UNKNOWN' }));
});
