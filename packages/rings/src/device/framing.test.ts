import { describe, expect, it } from 'vitest';
import { freshMemory } from '../testing/guest-memory.ts';
import { ChainBurst } from './chain-burst.ts';
import { bytesOf, formats, segmentsOf, setUp } from '../test-support/device-setup.ts';

const base = 0x1_ffff_8000;

describe.each(formats)('%s: what a device makes of chains', (format) => {
  it('translates one direct descriptor', () => {
    const { driver, queue, chains } = setUp(format);
    const [id] = driver.expose([{ address: base + 0x4000, length: 100 }]);
    expect(queue.fetch(chains, 32)).toBe(1);
    expect(chains.id[0]).toBe(id);
    expect(segmentsOf(chains, 0)).toEqual([[0, 0x4000, 100]]);
    expect([chains.readable[0], chains.readableBytes[0], chains.writableBytes[0]]).toEqual([1, 100, 0]);
  });

  it('translates an address beyond a 4 GiB boundary inside the window', () => {
    const { driver, queue, chains } = setUp(format);
    driver.expose([{ address: 0x2_0000_0010, length: 4, writable: true }]);
    queue.fetch(chains, 32);
    expect(segmentsOf(chains, 0)).toEqual([[0, 0x8010, 4]]);
    expect([chains.readable[0], chains.readableBytes[0], chains.writableBytes[0]]).toEqual([0, 0, 4]);
  });

  it('2.7.4.1: makes no assumption on framing, the same bytes arrive however they are cut', () => {
    const { driver, memory, queue, chains } = setUp(format);
    const address = driver.memory.put('framing says nothing');
    const cut = (...lengths: number[]) => {
      let at = address;
      return lengths.map((length) => ({ address: (at += length) - length, length }));
    };
    driver.expose(cut(20), cut(1, 19), cut(7, 6, 0, 7), [{ table: cut(3, 17) }]);
    expect(queue.fetch(chains, 32)).toBe(4);
    const all = [0, 1, 2, 3].map((i) => Buffer.from(bytesOf(chains, i, memory)).toString());
    expect(new Set(all)).toEqual(new Set(['framing says nothing']));
  });

  it('counts readable and writable segments of a mixed chain', () => {
    const { driver, queue, chains } = setUp(format);
    driver.expose([
      { address: base + 0x4000, length: 12 },
      { address: base + 0x5000, length: 4, writable: true },
      { address: base + 0x6000, length: 8, writable: true },
    ]);
    queue.fetch(chains, 32);
    expect([chains.readable[0], chains.readableBytes[0], chains.writableBytes[0]]).toEqual([1, 12, 12]);
    expect(segmentsOf(chains, 0)).toEqual([
      [0, 0x4000, 12],
      [0, 0x5000, 4],
      [0, 0x6000, 8],
    ]);
  });

  it('2.7.5.3.2: ignores WRITE on the descriptor of an indirect table', () => {
    const { driver, queue, chains } = setUp(format);
    driver.expose([{ table: [{ address: base + 0x4000, length: 5 }], flags: 2 }]);
    expect(queue.fetch(chains, 32)).toBe(1);
    expect(chains.readableBytes[0]).toBe(5);
  });

  it('2.7.5.3.2: accepts direct descriptors followed by one indirect', () => {
    const { driver, queue, chains } = setUp(format);
    driver.expose([
      { address: base + 0x4000, length: 1 },
      { address: base + 0x4010, length: 2 },
      {
        table: [
          { address: base + 0x4020, length: 3 },
          { address: base + 0x4030, length: 4, writable: true },
        ],
      },
    ]);
    expect(queue.fetch(chains, 32)).toBe(1);
    expect(segmentsOf(chains, 0).map(([, , length]) => length)).toEqual([1, 2, 3, 4]);
    expect(chains.readable[0]).toBe(3);
  });

  it('takes a chain as long as the queue, in one indirect table as well', () => {
    const { driver, queue, chains } = setUp(format);
    const table = Array.from({ length: 8 }, (_, i) => ({ address: base + 0x4000 + i, length: 1 }));
    driver.expose([{ table }]);
    expect(queue.fetch(chains, 32)).toBe(1);
    expect(segmentsOf(chains, 0)).toHaveLength(8);
  });

  it('tolerates empty descriptors, even where they point nowhere', () => {
    const { driver, queue, chains } = setUp(format);
    driver.expose(
      [
        { address: 7, length: 0 },
        { address: base + 0x4000, length: 9 },
      ],
      [{ address: 0, length: 0 }],
    );
    expect(queue.fetch(chains, 32)).toBe(2);
    expect(segmentsOf(chains, 0)).toEqual([[0, 0x4000, 9]]);
    expect(segmentsOf(chains, 1)).toEqual([]);
  });

  it('splits a buffer that lies across windows next to each other', () => {
    const memory = freshMemory(
      { guestAddress: 0x10_0000, size: 0x4000 },
      { guestAddress: 0x10_4000, size: 0x10 },
      { guestAddress: 0x10_4010, size: 0x4000 },
    );
    const { driver, queue, chains } = setUp(format, { memory });
    driver.expose([{ address: 0x10_3ff0, length: 0x30 }]);
    queue.fetch(chains, 32);
    expect(segmentsOf(chains, 0)).toEqual([
      [0, 0x3ff0, 0x10],
      [1, 0, 0x10],
      [2, 0, 0x10],
    ]);
    expect([chains.readable[0], chains.readableBytes[0]]).toEqual([3, 0x30]);
  });

  it.each([8, 4, 1])(
    'reads an indirect table that lies across windows, %i bytes off the boundary',
    (before) => {
      const memory = freshMemory(
        { guestAddress: 0x10_0000, size: 0x4000 },
        { guestAddress: 0x10_4000, size: 0x4000 },
      );
      const { driver, queue, chains } = setUp(format, { memory });
      const table = [1, 2, 3].map((length) => ({ address: 0x10_5000, length }));
      driver.expose([{ table, address: 0x10_4000 - 16 - before }]);
      queue.fetch(chains, 32);
      expect(segmentsOf(chains, 0).map(([, , length]) => length)).toEqual([1, 2, 3]);
    },
  );

  it('follows the driver from window to window', () => {
    const memory = freshMemory(
      { guestAddress: 0x10_0000, size: 0x8000 },
      { guestAddress: 0x7f00_0000_0000, size: 0x1000 },
    );
    const { driver, queue, chains } = setUp(format, { memory });
    const far = { address: 0x7f00_0000_0800, length: 0x800 };
    const near = { address: 0x10_4000, length: 1 };
    driver.expose([far], [far], [near], [far]);
    queue.fetch(chains, 32);
    expect([0, 1, 2, 3].map((i) => segmentsOf(chains, i)[0][0])).toEqual([1, 1, 0, 1]);
  });

  it('saturates the bytes of a chain at 2^31 - 1', () => {
    const memory = freshMemory({ guestAddress: 0, size: 0x10_0000 });
    const { driver, queue } = setUp(format, { memory, size: 8192 });
    const chains = new ChainBurst(1, 8192);
    driver.expose(Array.from({ length: 0x1001 }, () => ({ address: 0, length: 0x8_0000 })));
    queue.fetch(chains, 1);
    expect(chains.readableBytes[0]).toBe(0x7fff_ffff);
  });

  it('takes fewer chains when the burst has no segments left for the next', () => {
    const { driver, queue } = setUp(format);
    const chains = new ChainBurst(8, 3);
    const [one, two] = [1, 2].map((length) => ({ address: base + 0x4000, length }));
    driver.expose([one, two], [one, two], [one], [two]);
    const counts = [queue.fetch(chains, 8), queue.fetch(chains, 8), queue.fetch(chains, 8)];
    expect([counts, queue.broken]).toEqual([[1, 2, 1], undefined]);
  });

  it('takes no more chains than asked for', () => {
    const { driver, queue, chains } = setUp(format);
    driver.expose([{ address: base + 0x4000, length: 1 }], [{ address: base + 0x4001, length: 1 }]);
    expect(queue.fetch(chains, 1)).toBe(1);
    expect(queue.fetch(chains, 32)).toBe(1);
    expect(segmentsOf(chains, 0)).toEqual([[0, 0x4001, 1]]);
  });
});
