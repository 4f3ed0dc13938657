import { afterEach, describe, expect, it, vi } from 'vitest';
import { bytesOf, formats, segmentsOf, setUp, type Setup } from '../test-support/device-setup.ts';

const base = 0x1_ffff_8000;
const buffer = (length: number, writable = false) => ({ address: base + 0x4000, length, writable });

/** A queue with three chains fetched: one slot, two slots, one slot. */
function threeFetched(format: 'split' | 'packed', options?: Setup) {
  const all = setUp(format, options);
  const ids = all.driver.expose([buffer(10, true)], [buffer(20), buffer(21, true)], [buffer(30, true)]);
  all.queue.fetch(all.chains, 32);
  return { ...all, ids };
}

afterEach(() => vi.restoreAllMocks());

describe.each(formats)('%s: using buffers', (format) => {
  it('2.7.8.2: tells the driver how many bytes were written', () => {
    const { driver, queue, chains, ids } = threeFetched(format);
    chains.written.set([10, 0, 29]);
    queue.complete(chains, 0, 3);
    expect(driver.used()).toEqual([
      { id: ids[0], length: 10 },
      { id: ids[1], length: 0 },
      { id: ids[2], length: 29 },
    ]);
  });

  it('completes a burst in parts', () => {
    const { driver, queue, chains, ids } = threeFetched(format);
    queue.complete(chains, 0, 1);
    expect(driver.used().map(({ id }) => id)).toEqual([ids[0]]);
    queue.complete(chains, 1, 2);
    expect(driver.used().map(({ id }) => id)).toEqual([ids[1], ids[2]]);
  });

  it('completes chains out of order when the driver did not ask for order', () => {
    const { driver, queue, chains, ids } = threeFetched(format);
    queue.complete(chains, 2, 1);
    queue.complete(chains, 0, 2);
    expect(driver.used().map(({ id }) => id)).toEqual([ids[2], ids[0], ids[1]]);
  });

  it('6.2: with IN_ORDER uses buffers in the order they were made available, each with an entry of its own', () => {
    const { driver, queue, chains, ids } = threeFetched(format, { inOrder: true });
    queue.complete(chains, 0, 3);
    expect(driver.used().map(({ id }) => id)).toEqual(ids);
  });

  it('2.8.12: hands chains out in the order they were made available', () => {
    const { chains, ids } = threeFetched(format);
    expect([...chains.id.subarray(0, 3)]).toEqual(ids);
  });

  it('2.8.18: keeps the order of the descriptors of a list, across the end of the ring as well', () => {
    const { driver, memory, queue, chains } = setUp(format);
    const letters = 'abcde'.split('').map((letter) => ({ address: driver.memory.put(letter), length: 1 }));
    for (let round = 0; round < 5; round++) {
      driver.expose(letters);
      queue.fetch(chains, 32);
      expect(Buffer.from(bytesOf(chains, 0, memory)).toString()).toBe('abcde');
      queue.complete(chains, 0, 1);
      driver.used();
    }
  });

  it('hands out nothing twice', () => {
    const { queue, chains } = threeFetched(format);
    expect(queue.fetch(chains, 32)).toBe(0);
  });

  it('sees chains again that were given back unused', () => {
    const { queue, chains, ids } = threeFetched(format);
    queue.unfetch(chains, 2);
    expect([chains.count, segmentsOf(chains, 0).length]).toEqual([1, 1]);
    queue.complete(chains, 0, 1);
    expect(queue.fetch(chains, 32)).toBe(2);
    expect([...chains.id.subarray(0, 2)]).toEqual(ids.slice(1));
  });

  it('gives back and fetches again across the end of the ring', () => {
    const { driver, queue, chains } = setUp(format, { size: 4 });
    for (let round = 0; round < 6; round++) {
      const ids = driver.expose([buffer(1), buffer(2)], [buffer(3)]);
      queue.fetch(chains, 32);
      queue.unfetch(chains, 2);
      queue.fetch(chains, 32);
      queue.complete(chains, 0, 2);
      expect(driver.used().map(({ id }) => id)).toEqual(ids);
    }
  });

  it('2.7.5.1: writes nothing but the entry of the used buffer: no other descriptor, no buffer', () => {
    const { driver, memory, queue, chains } = threeFetched(format);
    const before = memory.windows[0].region.u8.slice();
    queue.complete(chains, 0, 1);
    const changed = [...before.keys()].filter((i) => memory.windows[0].region.u8[i] !== before[i]);
    const start = format === 'split' ? driver.addresses.device.offset : driver.addresses.descriptors.offset;
    const bytes = format === 'split' ? 4 + 8 : 16;
    expect(changed.every((i) => i >= start && i < start + bytes)).toBe(true);
    expect(changed).not.toEqual([]);
  });

  it('2.7.8.2, 2.8.15: writes all entries of a burst before the one that publishes them', () => {
    const { driver, memory, queue, chains } = threeFetched(format);
    chains.written.set([1, 2, 3]);
    let visible: unknown;
    let entries: number[] = [];
    const store = Atomics.store.bind(Atomics);
    vi.spyOn(Atomics, 'store').mockImplementationOnce((...args: Parameters<typeof Atomics.store>) => {
      visible = driver.used();
      const { i32 } = memory.windows[0].region;
      const at = driver.addresses.device.offset / 4 + 1;
      entries = format === 'split' ? [i32[at + 1], i32[at + 3], i32[at + 5]] : [i32[2], i32[6], i32[14]];
      return store(...args);
    });
    queue.complete(chains, 0, 3);
    expect(visible).toEqual([]);
    expect(entries).toEqual([1, 2, 3]);
    expect(driver.used()).toHaveLength(3);
  });

  it('goes on past the 65535th buffer', () => {
    const { driver, queue, chains } = setUp(format, { size: 8 });
    let used = 0;
    for (let round = 0; round < 10_000; round++) {
      driver.expose(...Array.from({ length: 7 }, () => [buffer(round % 100)]));
      queue.complete(chains, 0, queue.fetch(chains, 32));
      used += driver.used().length;
    }
    expect([used, queue.broken]).toEqual([70_000, undefined]);
  });
});

describe('packed: descriptors that are not available', () => {
  it('2.8.15: takes none before its AVAIL bit has flipped', () => {
    const { driver, queue, chains } = setUp('packed');
    driver.setDescriptor(0, base, 4, 0);
    expect(queue.fetch(chains, 32)).toBe(0);
  });

  it('2.8.15: does not take the descriptor it has used itself for an available one', () => {
    const { driver, queue, chains } = setUp('packed', { size: 1 });
    driver.expose([buffer(1)]);
    queue.complete(chains, 0, queue.fetch(chains, 32));
    expect(queue.fetch(chains, 32)).toBe(0);
  });

  it('2.8.15: does not take a descriptor of the lap before for one of this lap', () => {
    const { driver, queue, chains } = setUp('packed', { size: 3 });
    driver.expose([buffer(1)], [buffer(2)], [buffer(3)]);
    expect([queue.fetch(chains, 32), queue.fetch(chains, 32)]).toEqual([3, 0]);
  });

  it('2.8.15: leaves a descriptor alone once it is marked used', () => {
    const { driver, memory, queue, chains } = threeFetched('packed');
    queue.complete(chains, 0, 1);
    const first = memory.windows[0].region.u8.slice(0, 16);
    queue.complete(chains, 1, 2);
    expect(memory.windows[0].region.u8.slice(0, 16)).toEqual(first);
    expect(driver.used()).toHaveLength(3);
  });

  it('says in a used descriptor that nothing was written by leaving WRITE off', () => {
    const { memory, queue, chains } = threeFetched('packed');
    chains.written.set([0, 5]);
    queue.complete(chains, 0, 2);
    const { i32 } = memory.windows[0].region;
    expect([(i32[3] >>> 17) & 1, (i32[7] >>> 17) & 1]).toEqual([0, 1]);
  });

  it('writes one used descriptor for a list, over its first', () => {
    const { driver, queue, chains } = setUp('packed');
    const [first] = driver.expose([buffer(1), buffer(2), buffer(3)]);
    queue.complete(chains, 0, queue.fetch(chains, 32));
    const [second] = driver.expose([buffer(4)]);
    queue.complete(chains, 0, queue.fetch(chains, 32));
    expect(driver.used().map(({ id }) => id)).toEqual([first, second]);
  });
});
