import type { RingFormat } from '@vio/rings';
import { MemoryMap, Region } from '@vio/rings';
import { type ScriptedChain, freshMemory } from '@vio/rings/testing';
import { describe, expect, it } from 'vitest';
import {
  type Options,
  base,
  contentsOf,
  dataRoom,
  engines,
  fill,
  numbers,
  setUpSingles,
} from '../../test-support/singles-setup.ts';
import { NativeChains } from './native-chains.ts';
import { PortableChains } from './portable-chains.ts';

const formats: readonly RingFormat[] = ['split', 'packed'];
const header = 12;
const plain = (buffers = 1): number[] => [
  ...Array.from({ length: 10 }, () => 0),
  buffers & 0xff,
  buffers >> 8,
];
const buffer = (length: number, extra: object = {}) => ({ address: base + 0x4000, length, ...extra });

it('are in C++ where there is a kernel, else in TypeScript', () => {
  const kinds = engines.map(([, engine]) => setUpSingles(engine, 'split').chains.constructor);
  expect(kinds).toEqual([NativeChains, PortableChains]);
});

describe.each(engines)('%s', (_, engine) => {
  describe.each(formats)('%s, chains a driver sends', (format) => {
    const setUp = (options: Options = {}) => setUpSingles(engine, format, options);
    /** A packet with its header, over descriptors of these lengths, the last of which has the rest. */
    const pieces = (
      { memory }: ReturnType<typeof setUp>['driver'],
      packet: readonly number[],
      lengths: readonly number[],
    ) => {
      const bytes = [...numbers(header, 99), ...packet];
      let at = 0;
      return [...lengths, bytes.length].map((length) => {
        const part = bytes.slice(at, Math.min(bytes.length, at + length));
        at += part.length;
        return { address: memory.put(Uint8Array.from(part)), length: part.length };
      });
    };

    it.each([
      ['behind a header of its own', [header]],
      ['with a header in pieces', [5, 3, 20]],
      ['in many pieces', [20, 1, 1, 30, 2]],
    ])('%s arrive in order, and go back as one', (_name, lengths) => {
      const { driver, chains, pool, burst } = setUp({ size: 32 });
      const packets = [numbers(70), numbers(90, 20)];
      const ids = driver.expose(...packets.map((packet) => pieces(driver, packet, lengths)));
      expect([chains.take(pool, burst, 8), chains.blocked]).toEqual([2, false]);
      expect(contentsOf(pool, burst)).toEqual(packets);
      expect(driver.used()).toEqual(ids.map((id) => ({ id, length: 0 })));
    });

    it('with an indirect table, and behind a descriptor that has one, arrive as well', () => {
      const { driver, chains, pool, burst } = setUp();
      const packets = [numbers(40), numbers(50, 7), numbers(30, 9)];
      const [one, two, three] = packets.map((packet) => pieces(driver, packet, [header, 9]));
      const ids = driver.expose([{ table: one }], [two[0], { table: two.slice(1) }], three);
      expect([chains.take(pool, burst, 8), chains.blocked]).toEqual([3, false]);
      expect(contentsOf(pool, burst)).toEqual(packets);
      expect(driver.used()).toEqual(ids.map((id) => ({ id, length: 0 })));
    });

    it('of one descriptor are taken like others', () => {
      const { driver, chains, pool, burst } = setUp();
      driver.expose(pieces(driver, numbers(9), [header]), pieces(driver, numbers(8), []).slice(0, 1));
      expect(chains.take(pool, burst, 8)).toBe(2);
      expect(contentsOf(pool, burst)).toEqual([numbers(9), numbers(8)]);
    });

    it('with empty descriptors in between arrive', () => {
      const { driver, chains, pool, burst } = setUp();
      const [first, last] = pieces(driver, numbers(9), [header]);
      driver.expose([buffer(0), first, buffer(0), last]);
      expect(chains.take(pool, burst, 8)).toBe(1);
      expect(contentsOf(pool, burst)).toEqual([numbers(9)]);
    });

    it('in windows that nobody looked at before, and across two of them, arrive', () => {
      const bytes = new ArrayBuffer(0xc000);
      const window = (at: number) => ({
        region: new Region(bytes, at, 0x4000),
        guestAddress: 0x10_0000 + at,
        userAddress: 0x10_0000 + at,
        size: 0x4000,
      });
      const memory = new MemoryMap([window(0), window(0x4000), window(0x8000)]);
      const { driver, chains, pool, burst } = setUp({ memory });
      const content = numbers(40, 3);
      new Uint8Array(bytes, 0x7ff0 + header).set(content);
      driver.expose(
        [{ address: 0x10_8100, length: 20 }],
        [
          { address: 0x10_4100, length: header },
          { address: 0x10_8100, length: 6 },
        ],
        [{ address: 0x10_7ff0, length: header + 40 }],
      );
      expect([chains.take(pool, burst, 8), chains.blocked]).toEqual([3, false]);
      expect(contentsOf(pool, burst)[2]).toEqual(content);
    });

    const others: [string, ScriptedChain][] = [
      ['longer than a local buffer', [buffer(header), buffer(dataRoom + 1)]],
      ['of a header alone', [buffer(header), buffer(0)]],
      ['shorter than a header', [buffer(5), buffer(5)]],
      ['of both directions', [buffer(20), buffer(20, { writable: true })]],
      ['for the device to write', [buffer(20, { writable: true })]],
      ['outside memory', [buffer(20), buffer(20, { address: 0 })]],
      ['half outside memory', [buffer(20), buffer(20, { address: base + 0xfff6 })]],
      ['with a table outside memory', [{ address: 0x40, length: 16, flags: 4 }]],
      ['with a table of an odd size', [{ table: [buffer(20)], length: 17 }]],
      ['with an empty table', [{ table: [buffer(20)], length: 0 }]],
      ['with a table in a table', [{ table: [buffer(20, { flags: 4, length: 16 })] }]],
    ];

    it.each(others.filter(([name]) => format === 'split' || name !== 'with a table in a table'))(
      'that are %s are left to the other way',
      (_name, chain) => {
        const { driver, queue, chains, pool, burst } = setUp();
        driver.expose([buffer(13), buffer(1)], chain, [buffer(20)]);
        expect([chains.take(pool, burst, 8), chains.blocked, queue.broken]).toEqual([1, true, undefined]);
        expect(pool.free).toBe(15);
      },
    );

    it('with tables that were not negotiated are left to the other way', () => {
      const { driver, chains, pool, burst } = setUp({ indirect: false });
      driver.expose([buffer(20)], [{ table: [buffer(20)] }]);
      expect([chains.take(pool, burst, 8), chains.blocked]).toEqual([1, true]);
    });

    it('are no more than asked for, round after round', () => {
      const { driver, chains, pool, burst } = setUp({ size: 8 });
      const wrong = Array.from({ length: 20 }, (_round, round) => {
        driver.expose([buffer(header), buffer(5)], [buffer(20)], [buffer(header), buffer(6)]);
        const taken = [chains.take(pool, burst, 2)];
        burst.release();
        taken.push(chains.take(pool, burst, 2));
        burst.release();
        return taken.join() === '2,1' && driver.used().length === 3 ? -1 : round;
      }).find((round) => round !== -1);
      expect(wrong).toBeUndefined();
    });

    it('have an entry each with IN_ORDER', () => {
      const { driver, chains, pool, burst } = setUp({ inOrder: true });
      const ids = driver.expose([buffer(header), buffer(5)], [buffer(header), buffer(5)]);
      chains.take(pool, burst, 8);
      expect(driver.used().map(({ id }) => id)).toEqual(ids);
    });
  });

  describe.each(formats)('%s, packets for chains of a driver', (format) => {
    const setUp = (options: Options = {}) => setUpSingles(engine, format, { writable: true, ...options });
    const room = (address: number, length: number) => ({ address, length, writable: true });
    const at = base + 0x4000;

    it('fill buffer after buffer, the header included', () => {
      const { driver, chains, pool, burst } = setUp();
      const ids = driver.expose([room(at, 5), room(at + 0x100, 20), room(at + 0x200, 100)]);
      fill(pool, burst, [numbers(60)]);
      expect([chains.put(pool, burst, 0, 1, false), chains.blocked]).toEqual([1, false]);
      expect(driver.used()).toEqual([{ id: ids[0], length: header + 60 }]);
      const got = [
        ...driver.memory.read(at, 5),
        ...driver.memory.read(at + 0x100, 20),
        ...driver.memory.read(at + 0x200, 47),
      ];
      expect(got).toEqual([...plain(), ...numbers(60)]);
    });

    it('are spread over several chains with MRG_RXBUF, whose number the header says', () => {
      const { driver, chains, pool, burst } = setUp({ mergeable: true });
      const ids = driver.expose(
        [room(at, 32)],
        [room(at + 0x100, 32)],
        [room(at + 0x200, 32)],
        [room(at, 112)],
      );
      fill(pool, burst, [numbers(70), numbers(5)]);
      expect(chains.put(pool, burst, 0, 2, false)).toBe(2);
      expect(driver.used()).toEqual([
        { id: ids[0], length: 32 },
        { id: ids[1], length: 32 },
        { id: ids[2], length: 18 },
        { id: ids[3], length: header + 5 },
      ]);
      expect([...driver.memory.read(at + 0x100, 32)]).toEqual(numbers(70).slice(20, 52));
      expect([...driver.memory.read(at + 0x200, 18)]).toEqual(numbers(70).slice(52));
    });

    it('of several buffers arrive as one', () => {
      const { driver, chains, pool, burst } = setUp();
      driver.expose([room(at, 150)]);
      fill(pool, burst, [numbers(60), numbers(50, 200)]);
      const [first, second] = burst.buffer;
      pool.dataOffset[first] = burst.offset[0];
      pool.dataLength[first] = 60;
      pool.dataOffset[second] = burst.offset[1];
      pool.dataLength[second] = 50;
      pool.next[first] = second;
      burst.count = 1;
      burst.length[0] = 110;
      burst.segments[0] = 2;
      expect(chains.put(pool, burst, 0, 1, false)).toBe(1);
      expect([...driver.memory.read(at, 122)]).toEqual([...plain(), ...numbers(60), ...numbers(50, 200)]);
    });

    it('have the headers that they are given, with the number of buffers', () => {
      const fillHeader = (u8: Uint8Array, from: number, _burst: unknown, i: number): void => {
        u8.fill(0x30 + i, from, from + header);
      };
      const { driver, chains, pool, burst } = setUp({ mergeable: true, fillHeader });
      driver.expose([room(at, 40)], [room(at + 0x100, 20)], [room(at + 0x200, 40)]);
      fill(pool, burst, [numbers(10), numbers(40)]);
      expect(chains.put(pool, burst, 0, 2, true)).toBe(2);
      const said = (n: number, buffers: number) => [...Array.from({ length: 10 }, () => n), buffers, 0];
      expect([[...driver.memory.read(at, header)], [...driver.memory.read(at + 0x100, header)]]).toEqual([
        said(0x30, 1),
        said(0x31, 2),
      ]);
    });

    it('for which no chain has room are left to the other way, with the chains', () => {
      const { driver, queue, chains, pool, burst } = setUp();
      driver.expose([room(at, 20), room(at + 0x100, 20)], [room(at, 20), room(at + 0x100, 20)]);
      fill(pool, burst, [numbers(28), numbers(29)]);
      expect([chains.put(pool, burst, 0, 2, false), chains.blocked]).toEqual([1, true]);
      expect(queue.pending()).toBe(1);
    });

    it('whose chains are not all there are left to the other way; those without any wait', () => {
      const { driver, chains, pool, burst } = setUp({ mergeable: true });
      driver.expose([room(at, 32)], [room(at + 0x100, 32)]);
      fill(pool, burst, [numbers(10), numbers(60), numbers(1)]);
      expect([chains.put(pool, burst, 0, 3, false), chains.blocked]).toEqual([1, true]);
      expect([chains.put(pool, burst, 2, 3, false), chains.blocked]).toEqual([1, false]);
      expect([chains.put(pool, burst, 2, 3, false), chains.blocked]).toEqual([0, false]);
    });

    it.each([
      ['for the device to read', { address: at, length: 112 }],
      ['without room for a header', room(at, 5)],
      ['outside memory', room(0, 112)],
    ])('are not put into buffers %s', (_name, descriptor) => {
      const { driver, queue, chains, pool, burst } = setUp({ mergeable: true });
      driver.expose([room(at, 40)], [descriptor]);
      fill(pool, burst, [numbers(10), numbers(10)]);
      expect(chains.put(pool, burst, 0, 2, false)).toBe(1);
      // The twin has broken the queue already, which the other way does else.
      expect(chains.blocked || queue.broken !== undefined).toBe(true);
    });

    it('go to windows that nobody looked at before', () => {
      const memory = freshMemory(
        { guestAddress: 0x10_0000, size: 0x4000 },
        { guestAddress: 0x20_0000, size: 0x4000 },
        { guestAddress: 0x30_0000, size: 0x4000 },
      );
      const { driver, chains, pool, burst } = setUp({ memory });
      driver.expose([room(0x20_0000, 40)], [room(0x30_0000, 20), room(0x20_0100, 20)]);
      fill(pool, burst, [numbers(10), numbers(12)]);
      const first = chains.put(pool, burst, 0, 2, false);
      expect(first === 2 ? 2 : first + chains.put(pool, burst, first, 2, false)).toBe(2);
      expect([...driver.memory.read(0x20_0100, 4)]).toEqual(numbers(12).slice(8));
    });
  });
});
