import { PacketBurst, QueueStats, VIRTIO_NET_F_HOST_TSO4 } from '@vio/net';
import { HeaderCodec } from '@vio/net/internal';
import { readFrames } from '@vio/net/testing';
import { BufferPool, Region } from '@vio/rings';
import { freshMemory } from '@vio/rings/testing';
import { describe, expect, it } from 'vitest';
import { cases, setUpSingles } from '../../test-support/singles-setup.ts';
import { packet, packetPool, sendFrom } from '../../test-support/packets.ts';
import { DequeuePath } from './dequeue.ts';
import type { DequeueOptions } from './dequeue-options.ts';
import { LargeBuffers } from './large-buffers.ts';

const header = 12;

/** A pool of `count` buffers of `dataRoom` bytes. */
function largePool(count: number, dataRoom: number): BufferPool {
  const region = new Region(new ArrayBuffer(count * (dataRoom + 192)));
  return new BufferPool({ region, offset: 0, count, dataRoom });
}

/** A transmit queue of a driver, and a pool of buffers of 2048 bytes. */
function setUp({ engine, format }: (typeof cases)[number], options: DequeueOptions, codec?: HeaderCodec) {
  const memory = freshMemory({ guestAddress: 0x1_ffff_8000, size: 0x40_0000 });
  const { driver, queue, copier } = setUpSingles(engine, format, { size: 128, memory });
  const stats = new QueueStats();
  const path = new DequeuePath(queue, copier, header, stats, codec, options);
  const pool = packetPool(64);
  const burst = new PacketBurst(64, { offloads: codec !== undefined });
  return {
    driver,
    path,
    pool,
    stats,
    /** Lets the driver send packets of these lengths; the n-th is `packet(length, n)`. */
    send: (...lengths: number[]) => lengths.forEach((length, i) => sendFrom(driver, packet(length, i))),
    /** One burst, which is given back. */
    receive: () => {
      path.run(pool, burst, 64);
      const packets = readFrames(burst);
      const from = burst.pool;
      const longest = Math.max(0, ...burst.segments.subarray(0, burst.count));
      burst.release();
      return { packets, from, longest };
    },
  };
}

describe.each(cases)('$format, $where: with large buffers', (side) => {
  const lengths = [60, 9000, 65_000, 61, 1500, 3000];

  it('a packet that does not fit one buffer gets one of its own, in a burst of its own kind, in order', () => {
    const large = largePool(4, 65_550);
    const { send, receive, pool } = setUp(side, { external: new LargeBuffers(large) });
    send(...lengths);
    const bursts = [receive(), receive(), receive(), receive(), receive()];
    expect(bursts.map(({ packets }) => packets.length)).toEqual([1, 2, 2, 1, 0]);
    expect(bursts.map(({ from }) => (from === large ? 'large' : from === pool && 'small'))).toEqual([
      'small',
      'large',
      'small',
      'large',
      'small',
    ]);
    expect(bursts.flatMap(({ packets }) => packets)).toEqual(lengths.map(packet));
    expect(bursts.every(({ longest }) => longest <= 1)).toBe(true);
    expect([large.free, pool.free]).toEqual([4, 64]);
  });

  it('there are some without a pool being given', () => {
    const { send, receive } = setUp(side, { external: new LargeBuffers() });
    send(65_000, 65_000);
    const { packets, longest } = receive();
    expect([packets, longest]).toEqual([[packet(65_000, 0), packet(65_000, 1)], 1]);
  });

  it('a packet of several descriptors gets one as well', () => {
    const { driver, receive } = setUp(side, { external: new LargeBuffers() });
    const bytes = packet(header + 9000);
    driver.expose(
      [0, 1, 2].map((i) => {
        const part = bytes.subarray(i * 3004, (i + 1) * 3004);
        return { address: driver.memory.put(part), length: part.length };
      }),
    );
    const { packets, longest } = receive();
    expect([packets, longest]).toEqual([[bytes.subarray(header)], 1]);
  });

  it('what fits none of them is dropped and counted, and what follows arrives', () => {
    const { send, receive, stats, driver } = setUp(side, { external: new LargeBuffers(largePool(4, 4096)) });
    send(9000, 3000, 60);
    expect([receive().packets, receive().packets]).toEqual([[packet(3000, 1)], [packet(60, 2)]]);
    expect([stats.get('dropped_no_room_packets'), driver.used().length]).toEqual([1, 3]);
  });

  it('a packet waits while none is free, and what follows waits behind it', () => {
    const large = largePool(1, 9216);
    const { send, receive } = setUp(side, { external: new LargeBuffers(large) });
    const held = new Int32Array(1);
    large.alloc(held, 0, 1);
    send(9000, 60);
    expect([receive().packets, receive().packets]).toEqual([[], []]);
    large.release(held, 0, 1);
    expect([receive().packets, receive().packets]).toEqual([[packet(9000, 0)], [packet(60, 1)]]);
  });

  it('and linear ones, a packet is dropped and counted while none is free', () => {
    const large = largePool(1, 9216);
    const { send, receive, stats } = setUp(side, { linear: true, external: new LargeBuffers(large) });
    const held = new Int32Array(1);
    large.alloc(held, 0, 1);
    send(9000, 60);
    expect([...receive().packets, ...receive().packets]).toEqual([packet(60, 1)]);
    large.release(held, 0, 1);
    send(9000);
    expect([receive().packets, stats.get('dropped_no_room_packets')]).toEqual([[packet(9000, 0)], 1]);
  });

  it('a packet that comes with offloads says them in a large buffer as well', () => {
    const codec = HeaderCodec.sent(VIRTIO_NET_F_HOST_TSO4);
    const { send, receive } = setUp(side, { external: new LargeBuffers() }, codec);
    send(60, 9000, 61);
    const bursts = [receive(), receive(), receive()];
    expect(bursts.flatMap(({ packets }) => packets)).toEqual([60, 9000, 61].map(packet));
    expect(bursts.every(({ longest }) => longest === 1)).toBe(true);
  });
});
