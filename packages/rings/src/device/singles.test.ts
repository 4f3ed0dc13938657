import { describe, expect, it } from 'vitest';
import { freshMemory } from '../testing/guest-memory.ts';
import type { ScriptedChain } from '../testing/scripted-driver.ts';
import { formats, setUp, type Setup } from '../test-support/device-setup.ts';
import { SingleBurst } from './single-burst.ts';

const base = 0x1_ffff_8000;
const readable = { writable: false, prefix: 12 };
const writable = { writable: true, prefix: 12 };
const buffer = (length: number, extra: object = {}) => ({ address: base + 0x4000, length, ...extra });

function setUpSingles(format: 'split' | 'packed', options: Setup = {}) {
  const all = setUp(format, options);
  const singles = new SingleBurst(32);
  const fetchSingles = (kind = readable, max = 32) => all.queue.fetchSingles(singles, max, kind, 1, 100);
  return { ...all, singles, fetchSingles };
}

/** What the fast way leaves to `fetch`. */
const others: [string, ScriptedChain][] = [
  ['a list', [buffer(20), buffer(20)]],
  ['an indirect table', [{ table: [buffer(20)] }]],
  ['a buffer of the other direction', [buffer(20, { writable: true })]],
  ['a buffer of the prefix alone', [buffer(12)]],
  ['a buffer shorter than the prefix', [buffer(11)]],
  ['an empty buffer', [buffer(0)]],
  ['a buffer that is longer than asked for', [buffer(113)]],
  ['a buffer of 4 GiB - 1', [buffer(0xffff_ffff)]],
  ['an address below all memory', [buffer(20, { address: 0 })]],
  ['an address 4 GiB below', [buffer(20, { address: base - 2 ** 32 })]],
  ['an address 4 GiB above', [buffer(20, { address: base + 2 ** 32 })]],
  ['an address right in front of memory', [buffer(20, { address: base - 1 })]],
  ['a buffer that ends one byte behind memory', [buffer(20, { address: base + 0x1_0000 - 19 })]],
];

describe.each(formats)('%s: chains of one descriptor, the fast way', (format) => {
  it('takes them in order, their prefix left out', () => {
    const { driver, singles, fetchSingles } = setUpSingles(format);
    const ids = driver.expose([buffer(13)], [buffer(112, { address: base + 0x5000 })]);
    expect([fetchSingles(), singles.count, singles.blocked]).toEqual([2, 2, false]);
    expect([...singles.id.subarray(0, 2)]).toEqual(ids);
    expect([...singles.offset.subarray(0, 2)]).toEqual([0x400c, 0x500c]);
    expect([...singles.length.subarray(0, 2), singles.window]).toEqual([1, 100, 0]);
  });

  it('takes an address beyond a 4 GiB boundary inside the window, and the last byte of it', () => {
    const { driver, singles, fetchSingles } = setUpSingles(format);
    driver.expose([buffer(20, { address: 0x2_0000_0010 })], [buffer(20, { address: base + 0x1_0000 - 20 })]);
    expect(fetchSingles()).toBe(2);
    expect([...singles.offset.subarray(0, 2)]).toEqual([0x8010 + 12, 0x1_0000 - 20 + 12]);
  });

  it('takes writable ones for those who write, and says how much was written', () => {
    const { driver, queue, singles, fetchSingles } = setUpSingles(format);
    const ids = driver.expose([buffer(64, { writable: true })], [buffer(64, { writable: true })]);
    expect(fetchSingles(writable)).toBe(2);
    singles.written.set([64, 13]);
    queue.completeSingles(singles);
    expect(driver.used()).toEqual([
      { id: ids[0], length: 64 },
      { id: ids[1], length: 13 },
    ]);
  });

  it('says that nothing was written to those it has read', () => {
    const { driver, queue, singles, fetchSingles } = setUpSingles(format);
    const ids = driver.expose([buffer(64)], [buffer(64)], [buffer(64)]);
    fetchSingles();
    singles.written.fill(0);
    queue.completeSingles(singles);
    expect(driver.used()).toEqual(ids.map((id) => ({ id, length: 0 })));
  });

  it.each(others)('leaves %s to the other way', (_, chain) => {
    const { driver, queue, singles, fetchSingles } = setUpSingles(format);
    driver.expose([buffer(20)], chain, [buffer(20)]);
    expect([fetchSingles(), singles.blocked, queue.broken]).toEqual([1, true, undefined]);
    expect([fetchSingles(), singles.blocked, queue.broken]).toEqual([0, true, undefined]);
  });

  it('goes on behind what the other way has taken', () => {
    const { driver, queue, chains, singles, fetchSingles } = setUpSingles(format);
    const ids = driver.expose([buffer(20)], [buffer(1), buffer(2)], [buffer(20)], [buffer(20)]);
    fetchSingles();
    queue.completeSingles(singles);
    queue.complete(chains, 0, queue.fetch(chains, 1));
    expect(fetchSingles()).toBe(2);
    queue.completeSingles(singles);
    expect(driver.used().map(({ id }) => id)).toEqual(ids);
  });

  it('leaves a buffer in another window than the last to the other way, and follows it there', () => {
    const memory = freshMemory(
      { guestAddress: 0x10_0000, size: 0x4000 },
      { guestAddress: 0x10_4000, size: 0x4000 },
    );
    const { driver, queue, chains, singles, fetchSingles } = setUpSingles(format, { memory });
    const far = { address: 0x10_5000, length: 20 };
    driver.expose([far], [far]);
    expect([fetchSingles(), singles.blocked]).toEqual([0, true]);
    queue.fetch(chains, 1);
    expect([fetchSingles(), singles.window, singles.offset[0]]).toEqual([1, 1, 0x1000 + 12]);
  });

  it('leaves a buffer across two windows to the other way', () => {
    const memory = freshMemory(
      { guestAddress: 0x10_0000, size: 0x4000 },
      { guestAddress: 0x10_4000, size: 0x4000 },
    );
    const { driver, singles, fetchSingles } = setUpSingles(format, { memory });
    driver.expose([{ address: 0x10_3ff8, length: 20 }]);
    expect([fetchSingles(), singles.blocked]).toEqual([0, true]);
  });

  it('takes no more than asked for, and no more than the burst holds', () => {
    const { driver, queue, fetchSingles } = setUpSingles(format);
    driver.expose(...Array.from({ length: 7 }, () => [buffer(20)]));
    const few = new SingleBurst(2);
    expect([
      fetchSingles(readable, 3),
      queue.fetchSingles(few, 32, readable, 1, 100),
      fetchSingles(),
    ]).toEqual([3, 2, 2]);
  });

  it('finds nothing where nothing is, and that is not something for the other way', () => {
    const { driver, queue, singles, fetchSingles } = setUpSingles(format);
    const before = [fetchSingles(), singles.blocked];
    driver.expose([buffer(20)]);
    fetchSingles();
    expect([before, fetchSingles(), singles.blocked]).toEqual([[0, false], 0, false]);
    queue.completeSingles(singles);
    expect(driver.used()).toEqual([]);
  });

  it('takes nothing from a broken queue', () => {
    const { driver, queue, chains, fetchSingles } = setUpSingles(format);
    driver.expose([{ address: 0, length: 1 }], [buffer(20)]);
    queue.fetch(chains, 32);
    expect([queue.broken?.code, fetchSingles()]).toEqual(['ADDRESS_UNMAPPED', 0]);
  });

  it('tells the driver of what it has used as the other way does', () => {
    const { driver, queue, singles, fetchSingles } = setUpSingles(format, { eventIdx: true });
    const calls = Array.from({ length: 40 }, (_, round) => {
      driver.wantCalls(round % 4);
      driver.expose([buffer(20)], [buffer(20)], [buffer(20)]);
      fetchSingles();
      queue.completeSingles(singles);
      driver.used();
      return queue.callNeeded() === round % 4 < 3;
    });
    expect(calls).not.toContain(false);
  });
});

describe.each(formats)('%s with IN_ORDER', (format) => {
  const inOrder = true;

  it('2.7.9, 2.8.8: writes one used entry, with the id of the last, for a burst it has read', () => {
    const { driver, memory, queue, singles, fetchSingles } = setUpSingles(format, { inOrder });
    const ids = driver.expose([buffer(20)], [buffer(20)], [buffer(20)]);
    fetchSingles();
    const before = memory.windows[0].region.i32.slice();
    queue.completeSingles(singles);
    const changed = [...before.keys()].filter((i) => memory.windows[0].region.i32[i] !== before[i]);
    const { descriptors, device } = driver.addresses;
    const { i32 } = memory.windows[0].region;
    // Split: used.idx and the entry; packed: length, and flags with id, of the first descriptor.
    const expected =
      format === 'split'
        ? { words: [device.offset / 4, device.offset / 4 + 1], index: 3, id: ids[2] }
        : { words: [2, 3], index: 0x8080, id: ids[2] };
    const index = format === 'split' ? i32[device.offset / 4] >>> 16 : i32[3] >>> 16;
    const id = format === 'split' ? i32[device.offset / 4 + 1] : i32[descriptors.offset / 4 + 3] & 0xffff;
    expect({ words: changed, index, id }).toEqual(expected);
  });

  it('writes an entry for each buffer that it has written', () => {
    const { driver, queue, singles, fetchSingles } = setUpSingles(format, { inOrder });
    const ids = driver.expose([buffer(20, { writable: true })], [buffer(20, { writable: true })]);
    fetchSingles(writable);
    singles.written.set([20, 15]);
    queue.completeSingles(singles);
    expect(driver.used()).toEqual([
      { id: ids[0], length: 20 },
      { id: ids[1], length: 15 },
    ]);
  });
});
