import { QueueStats } from '@vio/net';
import { ChainBurst, MemoryMap, Region, type RingFormat } from '@vio/rings';
import {
  type ScriptedBuffer,
  type ScriptedChain,
  type ScriptedDriver,
  freshMemory,
} from '@vio/rings/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DequeuePath } from './dequeue.ts';
import { EnqueuePath } from './enqueue.ts';
import { NativeSingles } from './native-singles.ts';
import { PortableSingles } from './portable-singles.ts';
import {
  type Options,
  base,
  contentsOf,
  engines,
  fill,
  numbers,
  setUpSingles,
} from '../../test-support/singles-setup.ts';

const formats: readonly RingFormat[] = ['split', 'packed'];
const header = 12;
const buffer = (length: number, extra: object = {}) => ({ address: base + 0x4000, length, ...extra });

/** What the fast way leaves to the other. */
const others: [string, ScriptedChain][] = [
  ['a list', [buffer(20), buffer(20)]],
  ['an indirect table', [{ table: [buffer(20)] }]],
  ['a buffer of the other direction', [buffer(20, { writable: true })]],
  ['a buffer of the header alone', [buffer(header)]],
  ['a buffer shorter than the header', [buffer(header - 1)]],
  ['an empty buffer', [buffer(0)]],
  ['a packet longer than a local buffer', [buffer(header + 101)]],
  ['a buffer of 4 GiB - 1', [buffer(0xffff_ffff)]],
  ['an address below all memory', [buffer(20, { address: 0 })]],
  ['an address 4 GiB below', [buffer(20, { address: base - 2 ** 32 })]],
  ['an address 4 GiB above', [buffer(20, { address: base + 2 ** 32 })]],
  ['an address right in front of memory', [buffer(20, { address: base - 1 })]],
  ['a buffer that ends one byte behind memory', [buffer(20, { address: base + 0x1_0000 - 19 })]],
];

/** Packets of several sizes, one after the other, and to everybody, some, and one. */
const sizesAndAddresses = [
  numbers(60, 2),
  numbers(60, 1),
  Array.from({ length: 64 }, () => 0xff),
  numbers(100, 4),
  numbers(1, 1),
  numbers(64, 2),
];

function countedOneByOne(): Float64Array {
  const stats = new QueueStats();
  for (const packet of sizesAndAddresses) {
    stats.count(Uint8Array.from(packet), 0, packet.length);
    stats.settle();
  }
  return stats.counters;
}

/** Puts a packet with a header into a driver's memory. */
function sent({ memory }: ScriptedDriver, packet: readonly number[]): ScriptedBuffer {
  const bytes = Uint8Array.from([...numbers(header), ...packet]);
  return { address: memory.put(bytes), length: bytes.length };
}

it('is in C++ where there is a kernel, else in TypeScript', () => {
  const kinds = engines.map(([, engine]) => setUpSingles(engine, 'split').singles.constructor);
  expect(kinds).toEqual([NativeSingles, PortableSingles]);
});

describe.each(engines)('%s', (_, engine) => {
  describe.each(formats)('%s, packets a driver sends', (format) => {
    const setUp = (options: Options = {}) => setUpSingles(engine, format, options);

    it('arrive in order, without header, and their buffers go back', () => {
      const { driver, singles, pool, burst } = setUp();
      const packets = [numbers(1), numbers(100), numbers(60, 200)];
      const ids = driver.expose(
        ...packets.map((packet) => {
          const bytes = Uint8Array.from([...numbers(header, 99), ...packet]);
          return [{ address: driver.memory.put(bytes), length: bytes.length }];
        }),
      );
      expect([singles.take(pool, burst, 8), singles.blocked]).toEqual([3, false]);
      expect(contentsOf(pool, burst)).toEqual(packets);
      expect(driver.used()).toEqual(ids.map((id) => ({ id, length: 0 })));
    });

    it('are counted as the others are', () => {
      const stats = new QueueStats();
      const { driver, singles, pool, burst } = setUp({ stats });
      driver.expose(...sizesAndAddresses.map((packet) => [sent(driver, packet)]));
      singles.take(pool, burst, 2);
      singles.take(pool, burst, 8);
      expect(stats.counters).toEqual(countedOneByOne());
    });

    it('are taken from an address beyond a 4 GiB boundary inside the window, and up to its last byte', () => {
      const { driver, singles, pool, burst } = setUp();
      driver.expose(
        [buffer(20, { address: 0x2_0000_0010 })],
        [buffer(20, { address: base + 0x1_0000 - 20 })],
      );
      expect(singles.take(pool, burst, 8)).toBe(2);
    });

    it.each(others)('that are %s are left to the other way', (_name, chain) => {
      const { driver, queue, singles, pool, burst } = setUp();
      driver.expose([buffer(20)], chain, [buffer(20)]);
      expect([singles.take(pool, burst, 8), singles.blocked, queue.broken]).toEqual([1, true, undefined]);
      expect([singles.take(pool, burst, 8), singles.blocked, queue.broken]).toEqual([0, true, undefined]);
    });

    it('keep no local buffer that did not get one', () => {
      const { driver, singles, pool, burst } = setUp();
      driver.expose([buffer(20)], [buffer(20), buffer(20)]);
      singles.take(pool, burst, 8);
      expect(pool.free).toBe(15);
    });

    it('are no more than asked for', () => {
      const { driver, singles, pool, burst } = setUp();
      driver.expose(...Array.from({ length: 7 }, () => [buffer(20)]));
      expect([3, 3, 3].map((wanted) => singles.take(pool, burst, wanted))).toEqual([3, 3, 1]);
    });

    it('that are not there are nothing for the other way', () => {
      const { driver, singles, pool, burst } = setUp();
      const before = [singles.take(pool, burst, 8), singles.blocked, burst.count];
      driver.expose([buffer(20)]);
      singles.take(pool, burst, 8);
      expect([before, singles.take(pool, burst, 8), singles.blocked]).toEqual([[0, false, 0], 0, false]);
    });

    it('are not taken from a broken queue', () => {
      const { driver, queue, singles, pool, burst } = setUp();
      driver.expose([buffer(20, { address: 0 })], [buffer(20)]);
      queue.fetch(new ChainBurst(), 32);
      expect([queue.broken?.code, singles.take(pool, burst, 8)]).toEqual(['ADDRESS_UNMAPPED', 0]);
    });

    it('in another window than the last are left to the other way, and followed there', () => {
      const windows = [
        { guestAddress: 0x10_0000, size: 0x4000 },
        { guestAddress: 0x10_4000, size: 0x4000 },
      ];
      const { driver, queue, singles, pool, burst } = setUp({ memory: freshMemory(...windows) });
      driver.expose([{ address: 0x10_5000, length: 20 }], [{ address: 0x10_5000, length: 20 }]);
      expect([singles.take(pool, burst, 8), singles.blocked]).toEqual([0, true]);
      queue.fetch(new ChainBurst(), 1);
      expect(singles.take(pool, burst, 8)).toBe(1);
    });

    it('across the border of two windows of one memory are taken like others', () => {
      const bytes = new ArrayBuffer(0x8000);
      const window = (at: number, reach: number) => ({
        region: new Region(bytes, at, 0x4000 + reach),
        guestAddress: 0x10_0000 + at,
        userAddress: 0x10_0000 + at,
        size: 0x4000,
        reach,
      });
      const memory = new MemoryMap([window(0, 0x1000), window(0x4000, 0)]);
      const { driver, singles, pool, burst } = setUp({ memory });
      const content = numbers(20, 77);
      new Uint8Array(bytes, 0x3ff8 + header).set(content);
      driver.expose([{ address: 0x10_3ff8, length: header + 20 }]);
      expect([singles.take(pool, burst, 8), singles.blocked]).toEqual([1, false]);
      expect(contentsOf(pool, burst)).toEqual([content]);
    });

    it('across two windows are left to the other way', () => {
      const windows = [
        { guestAddress: 0x10_0000, size: 0x4000 },
        { guestAddress: 0x10_4000, size: 0x4000 },
      ];
      const { driver, singles, pool, burst } = setUp({ memory: freshMemory(...windows) });
      driver.expose([{ address: 0x10_3ff8, length: 20 }]);
      expect([singles.take(pool, burst, 8), singles.blocked]).toEqual([0, true]);
    });

    it('cost one used entry with IN_ORDER (2.7.9, 2.8.8), with the id of the last', () => {
      const { driver, memory, singles, pool, burst } = setUp({ inOrder: true });
      const ids = driver.expose([buffer(20)], [buffer(20)], [buffer(20)]);
      const { i32 } = memory.windows[0].region;
      const before = i32.slice(0, 0x1000);
      singles.take(pool, burst, 8);
      const changed = [...before.keys()].filter((i) => i32[i] !== before[i]);
      const ring = driver.addresses.device.offset / 4;
      const id = format === 'split' ? i32[ring + 1] : i32[3] & 0xffff;
      const words = format === 'split' ? [ring, ring + 1] : [2, 3];
      expect({ changed, id }).toEqual({ changed: words, id: ids[2] });
    });

    it('make the driver be told of them as the other way does', () => {
      const { driver, queue, singles, pool, burst } = setUp({ eventIdx: true });
      const wrong = Array.from({ length: 40 }, (_round, round) => {
        driver.wantCalls(round % 4);
        driver.expose([buffer(20)], [buffer(20)], [buffer(20)]);
        singles.take(pool, burst, 8);
        burst.release();
        driver.used();
        return queue.callNeeded() === round % 4 < 3;
      }).indexOf(false);
      expect(wrong).toBe(-1);
    });
  });

  describe.each(formats)('%s, packets for a driver', (format) => {
    const setUp = (options: Options = {}) => setUpSingles(engine, format, { writable: true, ...options });
    const room = (address: number, length = 112) => [{ address, length, writable: true }];

    it.each([10, 12, 20])('arrive behind a header of %i bytes that says: no offload, one buffer', (bytes) => {
      const { driver, singles, pool, burst } = setUp({ headerBytes: bytes });
      const at = driver.memory.put(new Uint8Array(300).fill(0xee));
      const ids = driver.expose(room(at, bytes + 60), room(at + 100, bytes + 60));
      fill(pool, burst, [numbers(5), numbers(60)]);
      expect(singles.put(pool, burst, 0, 2)).toBe(2);
      expect(driver.used()).toEqual([
        { id: ids[0], length: bytes + 5 },
        { id: ids[1], length: bytes + 60 },
      ]);
      const wanted = Array.from({ length: bytes }, () => 0);
      if (bytes >= 12) wanted[10] = 1;
      expect([...driver.memory.read(at, bytes + 6)]).toEqual([...wanted, ...numbers(5), 0xee]);
      expect([...driver.memory.read(at + 100, bytes + 61)]).toEqual([...wanted, ...numbers(60), 0xee]);
    });

    it('are counted as the others are', () => {
      const stats = new QueueStats();
      const { driver, singles, pool, burst } = setUp({ stats });
      driver.expose(...sizesAndAddresses.map((_packet, i) => room(base + 0x4000 + 128 * i)));
      fill(pool, burst, sizesAndAddresses);
      singles.put(pool, burst, 0, 2);
      singles.put(pool, burst, 2, 6);
      expect(stats.counters).toEqual(countedOneByOne());
    });

    it('arrive at odd addresses, too', () => {
      const { driver, singles, pool, burst } = setUp();
      const at = driver.memory.put(new Uint8Array(100).fill(0xee)) + 3;
      driver.expose(room(at));
      fill(pool, burst, [numbers(30)]);
      singles.put(pool, burst, 0, 1);
      expect([...driver.memory.read(at, 42)]).toEqual([
        ...Array.from({ length: 10 }, () => 0),
        1,
        0,
        ...numbers(30),
      ]);
    });

    it('that a buffer has no room for are left to the other way', () => {
      const { driver, singles, pool, burst } = setUp();
      driver.expose(room(base + 0x4000), room(base + 0x5000, 50));
      fill(pool, burst, [numbers(39), numbers(39)]);
      expect([singles.put(pool, burst, 0, 2), singles.blocked]).toEqual([1, true]);
    });

    it('of several segments are left to the other way', () => {
      const { driver, singles, pool, burst } = setUp();
      driver.expose(room(base + 0x4000), room(base + 0x5000));
      fill(pool, burst, [numbers(10), numbers(10)]);
      burst.segments[1] = 2;
      const first = singles.put(pool, burst, 0, 2);
      expect([first, singles.put(pool, burst, 1, 2), singles.blocked]).toEqual([1, 0, true]);
    });

    it('are not put into buffers the driver lets us read', () => {
      const { driver, singles, pool, burst } = setUp();
      driver.expose([buffer(112)]);
      fill(pool, burst, [numbers(10)]);
      expect([singles.put(pool, burst, 0, 1), singles.blocked]).toEqual([0, true]);
    });

    it('have an entry each with IN_ORDER, which says how long they are', () => {
      const { driver, singles, pool, burst } = setUp({ inOrder: true });
      const ids = driver.expose(room(base + 0x4000), room(base + 0x5000));
      fill(pool, burst, [numbers(10), numbers(20)]);
      singles.put(pool, burst, 0, 2);
      expect(driver.used()).toEqual([
        { id: ids[0], length: 22 },
        { id: ids[1], length: 32 },
      ]);
    });
  });
});

/** One step of a driver: chains of these kinds and lengths, and how many packets the device asks for. */
const steps = fc.array(
  fc.record({
    chains: fc.array(fc.tuple(fc.constantFrom(0, 0, 0, 0, 1, 2, 3), fc.integer({ min: 0, max: 130 })), {
      maxLength: 4,
    }),
    wanted: fc.integer({ min: 1, max: 8 }),
  }),
  { maxLength: 30 },
);

describe.each(formats)('%s, both ways', (format) => {
  it.each([
    { writable: false, mergeable: false },
    { writable: true, mergeable: false },
    { writable: true, mergeable: true },
  ])('leave the same behind for any driver (writable $writable, mergeable $mergeable)', (options) => {
    fc.assert(
      fc.property(steps, fc.constantFrom(5, 7, 8), (all, oddSize) => {
        const size = format === 'split' ? 8 : oddSize;
        const sides = engines.map(([, engine]) => {
          const side = setUpSingles(engine, format, { writable: options.writable, size });
          return {
            ...side,
            path: dataPath(side, options),
            held: new Map<number, ScriptedBuffer[]>(),
            steps: 0,
          };
        });
        for (const { chains, wanted } of all) {
          const seen = sides.map((side) => step(side, chains, wanted));
          expect(seen[0]).toEqual(seen[1]);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe.each(engines)('%s', (_, engine) => {
  it.each(formats)('%s: garbage in the ring costs no local buffer, and ends', (format) => {
    const smallBytes = fc.oneof(
      { weight: 6, arbitrary: fc.constant(0) },
      { weight: 2, arbitrary: fc.nat(40) },
      { weight: 2, arbitrary: fc.constantFrom(0x80, 0xff) },
    );
    const memory = () => freshMemory({ guestAddress: 0, size: 0x800 }, { guestAddress: 0x800, size: 0x800 });
    fc.assert(
      fc.property(
        fc.array(smallBytes, { minLength: 150, maxLength: 600 }),
        fc.boolean(),
        (bytes, writable) => {
          const side = setUpSingles(engine, format, { memory: memory(), size: 4, writable });
          const path = dataPath(side, { writable, mergeable: true });
          const { driver, queue, pool, burst } = side;
          let at = 0;
          for (let round = 0; round < 8; round++) {
            driver.scramble(() => bytes[at++ % bytes.length]);
            if (format === 'split') driver.setAvailIndex(queue.base() + 1 + (round % 3));
            if (writable) fill(pool, burst, [numbers(3), numbers(30)]);
            if (path instanceof EnqueuePath) path.run(pool, burst, 0, 2);
            else path.run(pool, burst, 4);
            burst.release();
          }
          expect(pool.free).toBe(pool.count);
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** A whole data path: the fast way, and the other one behind it. */
function dataPath(
  { queue, copier, memory }: ReturnType<typeof setUpSingles>,
  { writable, mergeable }: { writable: boolean; mergeable: boolean },
): EnqueuePath | DequeuePath {
  return writable
    ? new EnqueuePath(queue, copier, memory, header, mergeable, new QueueStats())
    : new DequeuePath(queue, copier, header, new QueueStats());
}

/** Lets the driver and the device do a step. @returns all there is to see of it */
function step(
  side: ReturnType<typeof setUpSingles> & {
    path: EnqueuePath | DequeuePath;
    held: Map<number, ScriptedBuffer[]>;
    steps: number;
  },
  chains: readonly (readonly [number, number])[],
  wanted: number,
) {
  const { driver, queue, path, held, pool, burst } = side;
  const writable = path instanceof EnqueuePath;
  const exposed = chains.map(([kind, length], i): ScriptedBuffer[] => {
    // No two buffers that the device may hold share memory.
    const address = base + 0x1000 + 0x200 * ((side.steps * 4 + i) % 100) + kind;
    if (kind === 1) return [{ address, length, writable: !writable }];
    const buffers = [{ address, length, writable }];
    return kind === 2 ? [{ address, length: 1, writable }, ...buffers] : buffers;
  });
  side.steps++;
  if (exposed.reduce((sum, chain) => sum + chain.length, 0) <= driver.free)
    for (const [i, id] of driver.expose(...exposed).entries()) held.set(id, exposed[i]);
  if (writable)
    fill(
      pool,
      burst,
      Array.from({ length: wanted }, (_, i) => numbers(1 + 11 * i, i)),
    );
  const moved = writable ? path.run(pool, burst, 0, wanted) : path.run(pool, burst, wanted);
  const packets = writable ? [] : contentsOf(pool, burst);
  burst.release();
  const used = driver.used().map(({ id, length }) => {
    const all = held.get(id)?.flatMap((each) => [...driver.memory.read(Number(each.address), each.length)]);
    return { id, bytes: all?.slice(0, length) };
  });
  const counters = path.stats.toRecord('');
  return { moved, packets, broken: queue.broken, used, counters, free: pool.free };
}
