import { describe, expect, it } from 'vitest';
import { freshMemory } from '../testing/guest-memory.ts';
import type { ScriptedBuffer, ScriptedChain } from '../testing/scripted-driver.ts';
import { ChainBurst } from './chain-burst.ts';
import { formats, setUp } from '../test-support/device-setup.ts';

const base = 0x1_ffff_8000;
const good: ScriptedBuffer = { address: base + 0x4000, length: 16 };

/** What a chain does to the queue that meets it. */
function faultOf(format: 'split' | 'packed', chain: ScriptedChain, indirect = true): string | undefined {
  const { driver, queue, chains } = setUp(format, { indirect });
  driver.expose(chain);
  expect(queue.fetch(chains, 32)).toBe(0);
  return queue.broken?.code;
}

const bothFormats: [string, string, ScriptedChain][] = [
  ['an address below all memory', 'ADDRESS_UNMAPPED', [{ address: 0, length: 1 }]],
  ['an address right behind memory', 'ADDRESS_UNMAPPED', [{ address: base + 0x1_0000, length: 1 }]],
  ['an address right in front of memory', 'ADDRESS_UNMAPPED', [{ address: base - 1, length: 2 }]],
  ['a buffer that ends one byte behind memory', 'ADDRESS_UNMAPPED', [{ address: base + 0xffff, length: 2 }]],
  ['a length of 4 GiB - 1', 'ADDRESS_UNMAPPED', [{ address: base, length: 0xffff_ffff }]],
  ['a length of 2 GiB', 'ADDRESS_UNMAPPED', [{ address: base, length: 0x8000_0000 }]],
  ['an address whose low half alone is mapped', 'ADDRESS_UNMAPPED', [{ address: base + 2 ** 33, length: 1 }]],
  ['an address 4 GiB below memory', 'ADDRESS_UNMAPPED', [{ address: 0x1_0000_0010, length: 1 }]],
  ['an address of 2^53', 'ADDRESS_UNMAPPED', [{ address: 2n ** 53n + BigInt(base), length: 1 }]],
  ['the highest address', 'ADDRESS_UNMAPPED', [{ address: 2n ** 64n - 1n, length: 2 }]],
  ['a second buffer outside memory', 'ADDRESS_UNMAPPED', [good, { address: 1, length: 1 }]],
  ['readable after writable', 'DESCRIPTOR_ORDER', [{ ...good, writable: true }, good]],
  [
    'an indirect table outside memory',
    'ADDRESS_UNMAPPED',
    [{ table: [{ ...good, next: 1 }], address: base + 0xfff0, length: 32 }],
  ],
  ['an empty indirect table', 'INDIRECT_LENGTH', [{ table: [good], length: 0 }]],
  ['an indirect table of 15 bytes', 'INDIRECT_LENGTH', [{ table: [good], length: 15 }]],
  ['an indirect table of 17 bytes', 'INDIRECT_LENGTH', [{ table: [good], length: 17 }]],
  ['INDIRECT with NEXT', 'INDIRECT_WITH_NEXT', [{ table: [good], flags: 1 }, good]],
  ['a table longer than the queue', 'CHAIN_TOO_LONG', [{ table: Array.from({ length: 9 }, () => good) }]],
  [
    'direct and indirect together too long',
    'CHAIN_TOO_LONG',
    [good, { table: Array.from({ length: 8 }, () => good) }],
  ],
];

const splitOnly: [string, string, ScriptedChain][] = [
  ['a next out of range', 'DESCRIPTOR_INDEX_INVALID', [{ ...good, next: 8 }]],
  ['a chain that leads to itself', 'DESCRIPTOR_LOOP', [{ ...good, next: 0 }]],
  ['a chain that leads back', 'DESCRIPTOR_LOOP', [good, good, { ...good, next: 1 }]],
  ['a next out of range in a table', 'DESCRIPTOR_INDEX_INVALID', [{ table: [{ ...good, next: 2 }, good] }]],
  ['a loop in a table', 'DESCRIPTOR_LOOP', [{ table: [good, { ...good, next: 0 }] }]],
  ['a table in a table', 'INDIRECT_NESTED', [{ table: [good, { ...good, flags: 4 }] }]],
];

describe.each(formats)('%s: a driver that misbehaves breaks its queue', (format) => {
  it.each(bothFormats)('by %s: %s', (_, code, chain) => {
    expect(faultOf(format, chain)).toBe(code);
  });

  it('by an indirect descriptor that was not negotiated', () => {
    expect(faultOf(format, [{ table: [good] }], false)).toBe('INDIRECT_NOT_NEGOTIATED');
  });

  it('by a buffer that goes on where no window does', () => {
    const memory = freshMemory({ guestAddress: 0, size: 0x1000 }, { guestAddress: 0x1001, size: 0x1000 });
    const { driver, queue, chains } = setUp(format, { memory });
    driver.expose([{ address: 0xff0, length: 0x20 }]);
    expect([queue.fetch(chains, 32), queue.broken?.code]).toEqual([0, 'ADDRESS_UNMAPPED']);
  });

  it('by a chain that needs more segments than any burst has', () => {
    const { driver, queue } = setUp(format);
    driver.expose([good, good, good]);
    expect([queue.fetch(new ChainBurst(4, 2), 4), queue.broken?.code]).toEqual([0, 'CHAIN_TOO_LONG']);
  });

  it('and the chains in front of the bad one still arrive', () => {
    const { driver, queue, chains } = setUp(format);
    driver.expose([good], [good], [{ address: 0, length: 1 }], [good]);
    expect([queue.fetch(chains, 32), queue.broken]).toEqual([2, undefined]);
    queue.complete(chains, 0, 2);
    expect(driver.used()).toHaveLength(2);
    expect([queue.fetch(chains, 32), queue.broken?.code]).toEqual([0, 'ADDRESS_UNMAPPED']);
  });

  it('and from then on nothing moves', () => {
    const { driver, queue, chains } = setUp(format);
    driver.expose([good]);
    queue.fetch(chains, 32);
    driver.expose([{ address: 0, length: 1 }]);
    queue.fetch(new ChainBurst(), 32);
    const { broken } = queue;
    queue.complete(chains, 0, 1);
    driver.expose([good]);
    expect([queue.fetch(chains, 32), queue.pending(), driver.used(), queue.broken]).toEqual([
      0,
      0,
      [],
      broken,
    ]);
  });

  it('and the fault says what was read', () => {
    const { driver, queue, chains } = setUp(format);
    driver.expose([{ address: 0xdead_beef_0000_1234n, length: 77 }]);
    queue.fetch(chains, 32);
    expect(queue.broken?.detail).toBe('77 bytes at 0xdeadbeef00001234 are not all in guest memory');
  });
});

describe('split: a driver that misbehaves breaks its queue', () => {
  it.each(splitOnly)('by %s: %s', (_, code, chain) => {
    expect(faultOf('split', chain)).toBe(code);
  });

  it.each([9, 300, 0xffff])('by an avail.idx that jumps by %i', (jump) => {
    const { driver, queue, chains } = setUp('split');
    driver.setAvailIndex(jump);
    expect([queue.fetch(chains, 32), queue.broken?.code]).toEqual([0, 'AVAIL_INDEX_JUMPED']);
  });

  it('by more chains than descriptors, while the device still has those before', () => {
    const { driver, queue, chains } = setUp('split');
    driver.expose(...Array.from({ length: 8 }, () => [good]));
    queue.fetch(chains, 32);
    driver.exposeHead(0);
    expect([queue.fetch(chains, 32), queue.broken?.code]).toEqual([0, 'AVAIL_INDEX_JUMPED']);
  });

  it.each([8, 0xffff])('by a head index of %i', (head) => {
    const { driver, queue, chains } = setUp('split');
    driver.exposeHead(head);
    expect([queue.fetch(chains, 32), queue.broken?.code]).toEqual([0, 'DESCRIPTOR_INDEX_INVALID']);
  });
});

describe('packed: a driver that misbehaves breaks its queue', () => {
  it('by a chain without end', () => {
    const { driver, queue, chains } = setUp('packed', { size: 4 });
    for (let i = 0; i < 4; i++) driver.setDescriptor(i, base + 0x4000, 1, 0x81_0000);
    expect([queue.fetch(chains, 32), queue.broken?.code]).toEqual([0, 'CHAIN_TOO_LONG']);
  });

  it('by a chain that reaches into descriptors the device still has', () => {
    const { driver, queue, chains } = setUp('packed', { size: 4 });
    driver.expose([good], [good]);
    queue.fetch(chains, 32);
    driver.expose([good], [{ ...good, flags: 1 }]);
    expect(queue.fetch(chains, 32)).toBe(1);
    expect([queue.fetch(chains, 32), queue.broken?.code]).toEqual([0, 'CHAIN_TOO_LONG']);
  });

  it('by making a descriptor available again while the device has them all', () => {
    const { driver, queue, chains } = setUp('packed', { size: 3 });
    driver.expose([good], [good, good]);
    queue.fetch(chains, 32);
    driver.setDescriptor(0, base + 0x4000, 1, 0x8000_0000);
    expect([queue.fetch(chains, 32), queue.broken?.code]).toEqual([0, 'AVAIL_INDEX_JUMPED']);
  });
});

describe('packed: what DPDK drivers do that the specification does not', () => {
  const header = { ...good, length: 12 };

  it.each([
    ['readable', [28, 0]],
    ['writable', [0, 28]],
  ] as const)(
    'the direction of the queue, %s, counts in an indirect table, not its flags',
    (direction, bytes) => {
      const { driver, queue, chains } = setUp('packed', { device: { indirectDirection: direction } });
      driver.expose([{ table: [{ ...header, flags: 0x8087 }, good] }]);
      expect(queue.fetch(chains, 32)).toBe(1);
      expect([chains.readableBytes[0], chains.writableBytes[0]]).toEqual(bytes);
    },
  );

  it('2.8.7: NEXT, INDIRECT, AVAIL and USED mean nothing in an indirect table', () => {
    const { driver, queue, chains } = setUp('packed');
    driver.expose([
      {
        table: [
          { ...header, flags: 0x8085 },
          { ...good, flags: 0 },
          { ...good, flags: 0x8082 },
        ],
      },
    ]);
    expect(queue.fetch(chains, 32)).toBe(1);
    expect([chains.readableBytes[0], chains.writableBytes[0]]).toEqual([28, 16]);
  });

  it('a header descriptor without NEXT is a short chain of its own, and the ring goes on', () => {
    const { driver, queue, chains } = setUp('packed');
    driver.expose([header], [good]);
    expect([queue.fetch(chains, 32), chains.readableBytes[0], queue.broken]).toEqual([2, 12, undefined]);
  });
});
