import { describe, expect, it } from 'vitest';
import { BufferPool } from '../memory/buffer-pool.ts';
import { Region } from '../memory/region.ts';
import { createDriverQueue, driverQueueBytes } from './create-driver-queue.ts';
import { kinds, prefix } from '../test-support/driver-setup.ts';

/** The low half is a negative number as 32 bits, so that arithmetic on it is signed. */
const address = 0x12_f000_0000n;
const size = 8;

function setUp(kind: (typeof kinds)[number], indirect: boolean) {
  const features = { ...kind, indirect, eventIdx: false };
  const poolAt = driverQueueBytes(features, size);
  const region = new Region(new ArrayBuffer(poolAt + 16 * 256), 0, undefined, address);
  const pool = new BufferPool({ region, offset: poolAt, count: 16, dataRoom: 128, headroom: 128 });
  const queue = createDriverQueue({ region, offset: 0, size, features, deviceWrites: false });
  /** Offset in the region that the address at byte `at` stands for. */
  const offsetAt = (at: number): number =>
    Number((new DataView(region.u8.buffer).getBigUint64(at, true) - address) & 0xffff_ffff_ffffn);
  return { region, pool, queue, offsetAt };
}

describe.each(kinds)(
  'a $format ring, in order: $inOrder, in a region that a device knows elsewhere',
  (kind) => {
    it('carries the address of a packet of one segment, header included', () => {
      const { pool, queue, offsetAt } = setUp(kind, true);
      queue.add(Int32Array.of(3), Int32Array.of(pool.dataBase), Int32Array.of(60), 0, 1, prefix);
      expect(offsetAt(0)).toBe(pool.dataBase - prefix);
    });

    it('carries the addresses of empty buffers', () => {
      const { pool, queue, offsetAt } = setUp(kind, true);
      pool.supply(queue, size, prefix);
      const offsets = Array.from({ length: size }, (_, i) => offsetAt(16 * i));
      expect(offsets.toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: size }, (_, b) => pool.dataBase + b * pool.stride - prefix),
      );
    });

    it.each([true, false])('carries the addresses of a chain of two, indirect: %s', (indirect) => {
      const { pool, queue, offsetAt } = setUp(kind, indirect);
      pool.next[0] = 1;
      for (const b of [0, 1]) {
        pool.dataOffset[b] = pool.dataBase + b * pool.stride;
        pool.dataLength[b] = 100;
      }
      queue.addChains(Int32Array.of(0), Int32Array.of(2), pool, 0, 1, prefix);
      const first = indirect ? offsetAt(0) : 0;
      expect(offsetAt(first)).toBe(pool.dataBase - prefix);
      expect(offsetAt(first + 16)).toBe(pool.dataBase + pool.stride);
    });
  },
);

it('refuses a region whose addresses have different upper halves', () => {
  expect(() => new Region(new ArrayBuffer(8192), 0, 8192, 0xffff_f000n)).toThrow(/4 GiB/);
  expect(new Region(new ArrayBuffer(4096), 0, 4096, 0xffff_f000n).addressHigh).toBe(0);
});
