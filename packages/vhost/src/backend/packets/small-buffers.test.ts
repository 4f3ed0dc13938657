import { QueueStats } from '@vio/net';
import { ChainBurst, createTrackedDeviceQueue, inflightBytes } from '@vio/rings';
import { type ScriptedBuffer, freshMemory } from '@vio/rings/testing';
import { describe, expect, it } from 'vitest';
import { packet, packetPool, packetsOf } from '../../test-support/packets.ts';
import { EnqueuePath } from './enqueue.ts';
import { cases, setUpSingles } from '../../test-support/singles-setup.ts';

const header = 12;

/** A receive queue of a driver with MRG_RXBUF, unless said otherwise, that supplies buffers as a test says. */
function setUp(
  { engine, format }: (typeof cases)[number],
  { size = 256, mergeable = true, tracked = false, headerBytes = header } = {},
) {
  const memory = freshMemory({ guestAddress: 0x1_ffff_8000, size: 0x20_0000 });
  const { driver, queue, copier } = setUpSingles(engine, format, { size, memory, writable: true });
  const journal = { buffer: new ArrayBuffer(inflightBytes(format, size)), offset: 0 };
  const device = () => (tracked ? createTrackedDeviceQueue(driver.device, journal) : queue);
  const stats = new QueueStats();
  const path = new EnqueuePath(device(), copier, memory, headerBytes, mergeable, stats);
  const supplied = new Map<number, ScriptedBuffer[]>();
  return {
    driver,
    path,
    stats,
    device,
    successor: () => new EnqueuePath(device(), copier, memory, headerBytes, mergeable, stats),
    /** Supplies chains of descriptors of these lengths. */
    supply: (...chains: (readonly number[])[]): void => {
      for (const lengths of chains) {
        const chain = lengths.map((length) => ({
          address: driver.memory.alloc(Math.max(1, length)),
          length,
          writable: true,
        }));
        supplied.set(driver.expose(chain)[0], chain);
      }
    },
    send: (...lengths: number[]) => deliver(path, ...lengths),
    /** The bytes of each buffer that was used since the last call. */
    used: (): Uint8Array[] =>
      driver.used().map(({ id, length }) => {
        const parts = supplied.get(id)!.map((each) => driver.memory.read(Number(each.address), each.length));
        return new Uint8Array(Buffer.concat(parts)).subarray(0, length);
      }),
  };
}

/** Packets of these lengths, the n-th filled with `packet(length, n)`. @returns how many were dealt with */
function deliver(path: EnqueuePath, ...lengths: number[]): number {
  const burst = packetsOf(packetPool(128), ...lengths.map(packet));
  return burst.pool === undefined ? 0 : path.run(burst.pool, burst, 0, burst.count);
}

/** What packets should look like to a driver: header with num_buffers, then the data, over buffers of `room` bytes. */
function inBuffers(room: number, ...lengths: number[]): Uint8Array[] {
  return lengths.flatMap((length, seed) => {
    const count = Math.ceil((header + length) / room);
    const bytes = new Uint8Array(header + length);
    bytes.set([count & 0xff, count >>> 8], 10);
    bytes.set(packet(length, seed), header);
    return Array.from({ length: count }, (_, i) => bytes.subarray(i * room, (i + 1) * room));
  });
}

describe.each(cases)('$format, $where: a packet over many small buffers', (side) => {
  it.each([
    [12, 60],
    [13, 1500],
    [64, 1500],
    [128, 60],
    [256, 1514],
    [512, 9000],
    [1024, 1514],
    [300, 65_000],
  ])('of %i bytes each arrives: %i bytes', (room, bytes) => {
    const { supply, send, used } = setUp(side);
    supply(...Array.from({ length: 250 }, () => [room]));
    expect(send(bytes)).toBe(1);
    expect(used()).toEqual(inBuffers(room, bytes));
  });

  it('arrives between others, in order', () => {
    const { supply, send, used } = setUp(side);
    supply(...Array.from({ length: 250 }, () => [100]));
    const lengths = [60, 1500, 60, 60, 9000, 3000, 60];
    expect(send(...lengths)).toBe(7);
    expect(used()).toEqual(inBuffers(100, ...lengths));
  });

  it('arrives over thousands of them', () => {
    const { supply, send, used } = setUp(side, { size: 8192 });
    supply(...Array.from({ length: 6000 }, () => [12]));
    expect(send(65_000)).toBe(1);
    expect(used()).toEqual(inBuffers(12, 65_000));
  });

  it('arrives over chains of several descriptors each', () => {
    const { supply, send, used } = setUp(side);
    supply(...Array.from({ length: 60 }, () => [20, 0, 30]));
    expect(send(1500)).toBe(1);
    expect(used()).toEqual(inBuffers(50, 1500));
  });

  it('waits for the buffers that are missing, and leaves those that are there', () => {
    const { supply, send, used } = setUp(side);
    supply(...Array.from({ length: 14 }, () => [100]));
    expect([send(1500), used()]).toEqual([0, []]);
    supply([100], [100]);
    expect(send(1500)).toBe(1);
    expect(used()).toEqual(inBuffers(100, 1500));
  });

  it('is dropped and counted when the whole ring has no room for it, and what follows arrives', () => {
    const { supply, send, used, stats } = setUp(side, { size: 64 });
    supply(...Array.from({ length: 64 }, () => [100]));
    expect(send(9000, 60)).toBe(2);
    expect([stats.get('errors'), stats.get('dropped_no_room_packets'), used()]).toEqual([
      1,
      1,
      inBuffers(100, 60).map((bytes) => withSeed(bytes, 1)),
    ]);
  });

  it('is dropped when chains of several descriptors are the whole ring', () => {
    const { supply, send, stats } = setUp(side, { size: 64 });
    supply(...Array.from({ length: 32 }, () => [12, 100]));
    expect([send(9000), stats.get('dropped_no_room_packets')]).toEqual([1, 1]);
  });

  it('goes on with what a killed device had taken, and more', () => {
    const { supply, successor, device, used } = setUp(side, { tracked: true });
    supply([100], [100], [100]);
    expect(device().fetch(new ChainBurst(), 2)).toBe(2);
    expect(deliver(successor(), 200)).toBe(1);
    expect(used()).toEqual(inBuffers(100, 200));
  });

  it('that cannot be given to a killed device’s buffers leaves them for the next packet', () => {
    const { supply, successor, device, used } = setUp(side, { tracked: true });
    supply([100], [100], [100]);
    device().fetch(new ChainBurst(), 2);
    const path = successor();
    expect([deliver(path, 1500), deliver(path, 200)]).toEqual([0, 1]);
    expect(used()).toEqual(inBuffers(100, 200));
  });

  it('breaks the queue when nonsense follows the buffers it needs', () => {
    const { driver, supply, path, send } = setUp(side);
    supply([100], [100]);
    driver.expose([{ address: 0, length: 100, writable: true }]);
    expect([send(60, 1500, 60), path.queue.broken?.code]).toEqual([1, 'ADDRESS_UNMAPPED']);
  });
});

describe.each(cases)('$format, $where: a buffer in which no packet can begin', (side) => {
  it.each([
    ['with MRG_RXBUF', true, 11],
    ['with MRG_RXBUF, empty', true, 0],
    ['without it', false, 12],
  ])('goes back empty, and the packet into the next, %s', (_, mergeable, length) => {
    const { supply, send, used } = setUp(side, { mergeable });
    supply([length], [length], [100]);
    expect(send(60)).toBe(1);
    expect(used()).toEqual([new Uint8Array(0), new Uint8Array(0), ...inBuffers(100, 60)]);
  });

  it('goes back when the device may only read it', () => {
    const { driver, send } = setUp(side);
    driver.expose([{ address: driver.memory.alloc(100), length: 100 }]);
    driver.expose([{ address: driver.memory.alloc(100), length: 100, writable: true }]);
    expect([send(60), driver.used().map(({ length }) => length)]).toEqual([1, [0, 72]]);
  });

  it('does not keep a burst for longer than it has chains', () => {
    const { supply, send, used } = setUp(side);
    supply(...Array.from({ length: 250 }, () => [5]));
    expect([send(60), used().length]).toEqual([0, 64]);
  });
});

/** `packet` of another seed in the same frame. */
function withSeed(bytes: Uint8Array, seed: number): Uint8Array {
  const other = bytes.slice();
  other.set(packet(bytes.length - header, seed), header);
  return other;
}
