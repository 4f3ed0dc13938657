import { PacketBurst, QueueStats } from '@vio/net';
import { readFrames } from '@vio/net/testing';
import { type BufferPool, ChainBurst, createTrackedDeviceQueue, inflightBytes } from '@vio/rings';
import { type ScriptedChain, freshMemory } from '@vio/rings/testing';
import { describe, expect, it } from 'vitest';
import { packet, packetPool, sendFrom } from '../../test-support/packets.ts';
import { DequeuePath } from './dequeue.ts';
import { cases, setUpSingles } from '../../test-support/singles-setup.ts';

const header = 12;

/** A transmit queue of a driver, and a pool of so many buffers of 2048 bytes. */
function setUp(
  { engine, format }: (typeof cases)[number],
  { buffers = 64, size = 128, tracked = false } = {},
) {
  const memory = freshMemory({ guestAddress: 0x1_ffff_8000, size: 0x40_0000 });
  const { driver, queue, copier } = setUpSingles(engine, format, { size, memory });
  const journal = { buffer: new ArrayBuffer(inflightBytes(format, size)), offset: 0 };
  const device = tracked ? createTrackedDeviceQueue(driver.device, journal) : queue;
  const stats = new QueueStats();
  const path = new DequeuePath(device, copier, header, stats);
  const pool = packetPool(buffers);
  const burst = new PacketBurst(64);
  return {
    driver,
    path,
    pool,
    stats,
    burst,
    /** Lets the driver send packets of these lengths; the n-th is `packet(length, n)`. */
    send: (...lengths: number[]) => lengths.forEach((length, i) => sendFrom(driver, packet(length, i))),
    /** One burst, which is given back. */
    receive: (): Uint8Array[] => {
      path.run(pool, burst, 64);
      const packets = readFrames(burst);
      burst.release();
      return packets;
    },
  };
}

describe.each(cases)('$format, $where: with a pool as large as a burst', (side) => {
  it('a long packet in front of many short ones arrives', () => {
    const { send, receive, pool } = setUp(side);
    const lengths = [9000, ...Array.from({ length: 63 }, () => 60)];
    send(...lengths);
    const [first, second, third] = [receive(), receive(), receive()];
    expect([first.length, second.length, third.length, pool.free]).toEqual([60, 4, 0, 64]);
    expect([...first, ...second]).toEqual(lengths.map(packet));
  });

  it('nothing but long packets arrive, as many at once as it holds', () => {
    const { send, receive } = setUp(side, { buffers: 12 });
    send(9000, 9000, 60, 9000, 9000, 60);
    const bursts = [receive(), receive(), receive()];
    expect(bursts.map((packets) => packets.length)).toEqual([3, 3, 0]);
    expect(bursts.flat()).toEqual([9000, 9000, 60, 9000, 9000, 60].map(packet));
  });

  it('a packet waits for buffers that somebody holds, and keeps none meanwhile', () => {
    const { send, receive, pool, driver } = setUp(side, { buffers: 8 });
    const held = new Int32Array(5);
    pool.alloc(held, 0, 5);
    send(9000, 60);
    expect([receive(), pool.free, driver.used()]).toEqual([[], 3, []]);
    pool.release(held, 0, 5);
    expect(receive()).toEqual([packet(9000, 0), packet(60, 1)]);
  });

  it('a packet larger than the pool is dropped and counted, and what follows arrives', () => {
    const { send, receive, stats, driver, pool } = setUp(side, { buffers: 4 });
    send(60, 9000, 61);
    expect([...receive(), ...receive()]).toEqual([packet(60, 0), packet(61, 2)]);
    expect([stats.get('errors'), stats.get('dropped_no_room_packets')]).toEqual([1, 1]);
    expect([driver.used().length, pool.free]).toEqual([3, 4]);
  });

  it('buffers that a transmit queue is done with are asked for', () => {
    const { send, receive, pool } = setUp(side, { buffers: 8 });
    const sent = new Int32Array(8);
    reclaimable(pool, sent);
    send(60, 9000);
    expect([...receive(), ...receive()]).toEqual([packet(60, 0), packet(9000, 1)]);
  });
});

/** All buffers of the pool are with somebody who gives them back when they are short. */
function reclaimable(pool: BufferPool, sent: Int32Array): void {
  let held = pool.alloc(sent, 0, pool.free);
  pool.onShortage(() => {
    pool.release(sent, 0, held);
    held = 0;
  });
}

describe.each(cases)('$format, $where: the work of one call has a bound', (side) => {
  const empty = (entries: number): ScriptedChain => [
    { table: Array.from({ length: entries }, () => ({ address: 0x1_ffff_8000, length: 0 })) },
  ];

  it('chains of empty descriptors are no more at once than the burst has descriptors', () => {
    const { driver, path, burst, pool } = setUp(side, { size: 1024 });
    for (let i = 0; i < 64; i++) driver.expose(empty(1000));
    const calls = [1, 2, 3].map(() => {
      path.run(pool, burst, 64);
      return driver.used().length;
    });
    expect(calls).toEqual([2, 2, 2]);
  });

  it.each([false, true])('a disabled ring is drained by one ring at most, with a journal: %s', (tracked) => {
    const { driver, path, burst, pool, stats } = setUp(side, { size: 128, tracked });
    const { queue } = path;
    let used = 0;
    const complete = queue.complete.bind(queue);
    // A driver that keeps up: what is used is there again at once.
    queue.complete = (chains: ChainBurst, from: number, count: number) => {
      complete(chains, from, count);
      used += count;
      for (const _ of driver.used()) driver.expose([{ address: 0x1_ffff_c000, length: 20 }]);
    };
    for (let i = 0; i < 128; i++) driver.expose([{ address: 0x1_ffff_c000, length: 20 }]);
    path.drain();
    expect([used, path.run(pool, burst, 64)]).toEqual([128, 64]);
    expect(stats.get('dropped_stopped_packets')).toBe(128);
  });

  it('a disabled ring of tables is drained by a ring of descriptors at most', () => {
    const { driver, path } = setUp(side, { size: 128 });
    for (let i = 0; i < 128; i++) driver.expose(empty(100));
    path.drain();
    expect(driver.used().length).toBeLessThan(32);
  });
});
