import { describe, expect, it } from 'vitest';
import { PacketBurst } from './packet-burst.ts';
import { Wire, frameOf } from './test-support/wire.ts';
import { writeFrames } from './testing/frames.ts';

/** A burst of 60, 600, 60, 60 and 300 bytes: 1, 3, 1, 1 and 2 buffers of a pool of 64. */
function mixed(): { wire: Wire; burst: PacketBurst } {
  const wire = Wire.one();
  const burst = new PacketBurst(8);
  writeFrames(
    wire.pool,
    burst,
    [60, 600, 60, 60, 300].map((bytes) => frameOf(bytes)),
  );
  return { wire, burst };
}

describe('release', () => {
  it('gives the buffers of packets of any number of segments back', () => {
    const { wire, burst } = mixed();
    burst.release();
    expect(wire.pool.free).toBe(64);
  });

  it.each([
    [1, 1],
    [2, 4],
    [4, 6],
    [5, 8],
  ])('from packet %i on leaves the %i buffers before to their owner', (from, kept) => {
    const { wire, burst } = mixed();
    burst.release(from);
    expect(64 - wire.pool.free).toBe(kept);
  });

  it('gives each buffer back once', () => {
    const { wire, burst } = mixed();
    burst.release();
    const all = new Int32Array(64);
    wire.pool.alloc(all, 0, 64);
    expect(new Set(all).size).toBe(64);
  });
});

describe('allocate', () => {
  it('takes a buffer for each packet and describes it', () => {
    const { pool } = Wire.one();
    const burst = new PacketBurst(8);
    expect([burst.allocate(pool, 5, 60), burst.count, burst.pool, pool.free]).toEqual([5, 5, pool, 59]);
    expect(Array.from(burst.offset.subarray(0, 5))).toEqual(
      Array.from(burst.buffer.subarray(0, 5), (b) => pool.dataBase + b * pool.stride),
    );
    expect([...burst.length.subarray(0, 5), ...burst.segments.subarray(0, 5)]).toEqual([
      ...Array(5).fill(60),
      ...Array(5).fill(1),
    ]);
  });

  it('takes what there is of a pool that is nearly empty', () => {
    const { pool } = Wire.one({ buffers: 3 });
    expect(new PacketBurst(8).allocate(pool, 5, 60)).toBe(3);
  });
});
