import { describe, expect, it } from 'vitest';
import { ChainBurst } from './chain-burst.ts';
import { bytesOf, formats, setUp, type Setup } from '../test-support/device-setup.ts';
import type { RingFormat } from '../format.ts';

/** A device queue whose driver exposes chains that hold these bytes, one descriptor for each. */
function setUpChains(format: RingFormat, chains: readonly (readonly number[])[], options: Setup = {}) {
  const all = setUp(format, options);
  const { driver } = all;
  for (const bytes of chains) {
    driver.expose(bytes.map((byte) => ({ address: driver.memory.put(Uint8Array.of(byte)), length: 1 })));
  }
  const contents = (burst = all.chains) =>
    Array.from({ length: burst.count }, (_, i) => bytesOf(burst, i, all.memory));
  return { ...all, contents };
}

describe.each(formats)('%s: fetching more', (format) => {
  it('puts chains behind those of the last fetch', () => {
    const { queue, chains, contents } = setUpChains(format, [[1], [2, 3], [4], [5]]);
    expect([queue.fetch(chains, 1), queue.fetchMore(chains, 2), queue.fetchMore(chains, 8)]).toEqual([
      1, 2, 1,
    ]);
    expect(contents()).toEqual([[1], [2, 3], [4], [5]]);
  });

  it('lets them be completed and given back together', () => {
    const { driver, queue, chains, contents } = setUpChains(format, [[1], [2, 3], [4], [5]]);
    queue.fetch(chains, 1);
    queue.complete(chains, 0, 1);
    queue.fetchMore(chains, 3);
    queue.unfetch(chains, 2);
    queue.complete(chains, 1, 1);
    expect(driver.used().length).toBe(2);
    queue.fetch(chains, 8);
    expect(contents()).toEqual([[4], [5]]);
  });

  it('says when the burst has no room, and when the driver has no more', () => {
    const { queue } = setUpChains(format, [[1], [2], [3]]);
    const chains = new ChainBurst(2);
    const full = [queue.fetch(chains, 1), queue.fetchMore(chains, 8), queue.fetchMore(chains, 8)];
    expect([full, chains.full]).toEqual([[1, 1, 0], true]);
    const more = [queue.fetch(chains, 1), queue.fetchMore(chains, 1)];
    expect([more, chains.full]).toEqual([[1, 0], false]);
  });

  it('breaks the queue at nonsense, and at nothing else', () => {
    const { driver, queue, chains } = setUpChains(format, [[1]]);
    driver.expose([{ address: 0, length: 1 }]);
    expect([queue.fetch(chains, 8), queue.broken, chains.full]).toEqual([1, undefined, false]);
    expect([queue.fetchMore(chains, 8), queue.broken?.code]).toEqual([0, 'ADDRESS_UNMAPPED']);
  });

  it('leaves a chain that finds too few segments for the next fetch', () => {
    const { queue, contents } = setUpChains(format, [
      [1, 2],
      [3, 4],
    ]);
    const chains = new ChainBurst(8, 3);
    expect([queue.fetch(chains, 8), chains.full, queue.fetchMore(chains, 8), queue.broken]).toEqual([
      1,
      true,
      0,
      undefined,
    ]);
    queue.complete(chains, 0, 1);
    queue.fetch(chains, 8);
    expect(contents(chains)).toEqual([[3, 4]]);
  });

  it.each(['in the ring', 'in tables'])('counts descriptors %s without a byte as well', (where) => {
    const { driver, queue } = setUp(format, { size: 16 });
    const empty = Array.from({ length: 3 }, () => ({ address: driver.memory.base, length: 0 }));
    for (let i = 0; i < 5; i++) driver.expose(where === 'in tables' ? [{ table: empty }] : empty);
    const chains = new ChainBurst(8, 7);
    const fetches = [1, 2, 3].map(() => {
      const n = queue.fetch(chains, 8);
      queue.complete(chains, 0, n);
      return n;
    });
    expect(fetches).toEqual([2, 2, 1]);
  });

  it('tells how many descriptors of the ring each chain has', () => {
    const { driver, queue, chains } = setUpChains(format, [[1], [2, 3, 4]]);
    const buffer = { address: driver.memory.base, length: 1 };
    driver.expose([{ table: [buffer, buffer, buffer] }]);
    if (format === 'split') driver.expose([buffer, { table: [buffer, buffer] }]);
    queue.fetch(chains, 8);
    expect([...chains.held.subarray(0, chains.count)]).toEqual(format === 'split' ? [1, 3, 1, 2] : [1, 3, 1]);
  });
});
