import { QueueStats } from '@vio/net';
import { readFrames } from '@vio/net/testing';
import { BufferPool, Region, type RingFormat } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { packet, packetsOf, sendFrom, supply } from '../../test-support/packets.ts';
import { DequeuePath } from './dequeue.ts';
import { EnqueuePath } from './enqueue.ts';
import { engines, setUpSingles } from '../../test-support/singles-setup.ts';

const formats: readonly RingFormat[] = ['split', 'packed'];
const header = 12;
const stride = 2176;
const buffers = 8;
/** Packets of one buffer, and of several: the fast way and the other. */
const sizes = [60, 5000];

/** An application's memory with two pools in it, neither at its beginning. */
function application() {
  const memory = new Uint8Array(0x1_0000).fill(0xa5);
  const poolAt = (at: number): BufferPool =>
    new BufferPool({ region: new Region(memory.buffer, at, buffers * stride), offset: 0, count: buffers });
  const pools = [poolAt(0x1000), poolAt(0x8000)];
  const outside = (): boolean => {
    const [first, second] = pools.map(({ region }) => region.u8);
    const end = first.byteOffset + first.length;
    const rest = [
      memory.subarray(0, first.byteOffset),
      memory.subarray(end, second.byteOffset),
      memory.subarray(second.byteOffset + second.length),
    ];
    return rest.every((bytes) => bytes.every((byte) => byte === 0xa5));
  };
  return { pools, outside };
}

describe.each(engines)('%s', (_, engine) => {
  describe.each(formats)('%s, pools in regions that begin within their memory', (format) => {
    it.each(sizes)('take packets of %d bytes out of a ring', (bytes) => {
      const { driver, queue, copier, burst } = setUpSingles(engine, format);
      const path = new DequeuePath(queue, copier, header, new QueueStats());
      const { pools, outside } = application();
      const got = [...pools, ...pools].flatMap((pool, i) => {
        sendFrom(driver, packet(bytes, i));
        path.run(pool, burst, 8);
        const contents = readFrames(burst);
        burst.release();
        return contents;
      });
      const expected = got.map((_packet, i) => packet(bytes, i));
      expect([got.length, got, outside()]).toEqual([4, expected, true]);
    });

    it.each(sizes)('give packets of %d bytes to a ring', (bytes) => {
      const { driver, queue, copier, memory } = setUpSingles(engine, format, { writable: true });
      const path = new EnqueuePath(queue, copier, memory, header, false, new QueueStats());
      const { pools, outside } = application();
      const got = [...pools, ...pools].map((pool, i) => {
        const address = supply(driver, header + bytes);
        const burst = packetsOf(pool, packet(bytes, i));
        path.run(pool, burst, 0, 1);
        burst.release();
        return driver.memory.read(address + header, bytes);
      });
      const expected = got.map((_packet, i) => packet(bytes, i));
      expect([got, outside()]).toEqual([expected, true]);
    });
  });
});
