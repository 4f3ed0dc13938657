import { afterEach, describe, expect, it, vi } from 'vitest';
import { ofLength, prefix, setUp, splitKinds } from '../test-support/driver-setup.ts';

/** What virtio 1.4 asks of the driver of a split virtqueue, section 2.7, one test per clause. */

afterEach(() => vi.restoreAllMocks());

describe.each(splitKinds)('$format, in order: $inOrder', (kind) => {
  it.each([1, 2, 4, 64, 32768])('S1 (2.7.1): aligns the parts of a ring of %i to 16, 2 and 4', (size) => {
    const { queue } = setUp(kind, { size, indirect: false });
    const { descriptors, driver, device } = queue.addresses;
    expect([descriptors % 16, driver % 2, device % 4]).toEqual([0, 0, 0]);
  });

  it.each([1, 2, 8, 64])('S1 (2.7.1): the parts of a ring of %i do not overlap', (size) => {
    const { queue } = setUp(kind, { size, indirect: false });
    const { descriptors, driver, device } = queue.addresses;
    expect(driver - descriptors).toBeGreaterThanOrEqual(16 * size);
    expect(device - driver).toBeGreaterThanOrEqual(6 + 2 * size);
  });

  it.each([
    ['readable', false],
    ['writable', true],
  ])('S2 (2.7.4.2): a chain of a queue is all %s', (_, deviceWrites) => {
    const { device, add, addChains } = setUp(kind, { deviceWrites });
    add(1);
    addChains([1, 2], [3, 4, 5]);
    const directions = device.take().flatMap(({ buffers }) => buffers.map(({ writable }) => writable));
    expect(new Set(directions)).toEqual(new Set([deviceWrites]));
  });

  it('S3 (2.7.4.2): a packet takes one descriptor per segment, its header none of its own', () => {
    const { device, pool, add, addChains } = setUp(kind);
    const [single] = add(60);
    const [chain] = addChains([70, 80]);
    const at = (b: number) => pool.dataBase + b * pool.stride;
    const second = pool.next[chain];
    expect(device.take().map(({ buffers }) => buffers)).toEqual([
      [{ address: at(single) - prefix, length: 60 + prefix, writable: false }],
      [
        { address: at(chain) - prefix, length: 70 + prefix, writable: false },
        { address: at(second), length: 80, writable: false },
      ],
    ]);
  });

  it('S3 (2.7.4.2): where framing is legacy the header has one descriptor', () => {
    const { device, pool, addChains } = setUp(kind, { queue: { separatePrefix: true }, indirect: false });
    const [head] = addChains([60, 70]);
    const at = (b: number) => pool.dataBase + b * pool.stride;
    expect(device.take()[0].buffers).toEqual([
      { address: at(head) - prefix, length: prefix, writable: false },
      { address: at(head), length: 60, writable: false },
      { address: at(pool.next[head]), length: 70, writable: false },
    ]);
  });

  it.each([true, false])(
    'S4 (2.7.5.2): no chain loops, wherever in the ring it starts (indirect: %s)',
    (indirect) => {
      const { device, addChains, reap } = setUp(kind, { indirect });
      for (let round = 0; round < 40; round++) {
        addChains(ofLength(1 + (round % 3)), ofLength(1 + (round % 5)));
        // The device follows every chain and throws at a descriptor it meets twice.
        const chains = device.take();
        expect(chains.map(({ buffers }) => buffers.length)).toEqual([1 + (round % 3), 1 + (round % 5)]);
        device.use(...chains);
        reap();
      }
    },
  );

  it('S6 (2.7.5.3.1): without INDIRECT_DESC every chain is direct', () => {
    const { device, addChains } = setUp(kind, { indirect: false });
    addChains([1, 2, 3], [4, 5]);
    const [first, second] = device.take();
    expect([first.table, first.slots, second.table, second.slots]).toEqual([undefined, 3, undefined, 2]);
  });

  it('S6 (2.7.5.3.1): with INDIRECT_DESC a chain takes one descriptor, a single buffer stays direct', () => {
    const { device, addChains } = setUp(kind);
    addChains([1, 2, 3], [4]);
    const [first, second] = device.take();
    expect([first.table?.length, first.slots, second.table, second.slots]).toEqual([3, 1, undefined, 1]);
  });

  it('S7 (2.7.5.3.1): no entry of a table is indirect itself', () => {
    const { device, addChains } = setUp(kind);
    addChains([1, 2, 3], [4, 5, 6, 7]);
    const flags = device.take().flatMap(({ table }) => (table ?? []).map((entry) => entry.flags & 4));
    expect(flags).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  it('S8 (2.7.5.3.1): a chain longer than the queue is not exposed, indirect or not', () => {
    for (const indirect of [true, false]) {
      const { queue, device, addChains } = setUp(kind, { size: 4, indirect });
      expect(addChains(ofLength(5))).toEqual([]);
      expect([device.take(), queue.free, queue.outstanding]).toEqual([[], 4, 0]);
    }
  });

  it('S8 (2.7.5.3.1): a chain as long as the queue is', () => {
    for (const indirect of [true, false]) {
      const { device, addChains } = setUp(kind, { size: 4, indirect });
      addChains(ofLength(4));
      expect(device.take()[0].buffers).toHaveLength(4);
    }
  });

  it('S8 (2.7.5.3.1): a chain longer than a table is direct', () => {
    const { device, addChains } = setUp(kind, { queue: { indirectEntries: 3 } });
    addChains(ofLength(4), ofLength(3));
    expect(device.take().map(({ slots }) => slots)).toEqual([4, 1]);
  });

  it('S9 (2.7.5.3.1): never sets INDIRECT and NEXT together', () => {
    const { device, addChains } = setUp(kind, { queue: { indirectEntries: 3 } });
    addChains([1, 2, 3], [1, 2, 3, 4], [1, 2]);
    const flags = device.take().flatMap(({ list }) => list.map((descriptor) => descriptor.flags));
    expect(flags).toEqual([4, 1, 1, 1, 0, 4]);
  });

  it('S11 (2.7.6.1): avail.idx only grows, by what was added, past 65535', () => {
    const { queue, device, region, add, reap } = setUp(kind);
    const index = queue.addresses.driver / 2 + 1;
    let expected = 0;
    let wrong = 0;
    for (let round = 0; expected < 70_000; round++) {
      expected += add(...ofLength(1 + (round % 8))).length;
      if (region.u16[index] !== (expected & 0xffff)) wrong++;
      device.use(...device.take());
      reap();
    }
    expect([wrong, queue.broken, queue.free]).toEqual([0, undefined, 8]);
  });

  it('S11 (2.7.6.1): nothing that is refused moves avail.idx', () => {
    const { queue, region, add, addChains } = setUp(kind, { indirect: false });
    add(...ofLength(7));
    addChains([1, 2]);
    add();
    expect(region.u16[queue.addresses.driver / 2 + 1]).toBe(7);
  });

  it('P4 (2.9): says which avail index comes next, all 16 bits of it', () => {
    const { queue, device, add, addChains, reap } = setUp(kind, { indirect: false });
    const seen = [queue.nextAvailable()];
    add(1, 2);
    addChains([1, 2, 3]);
    seen.push(queue.nextAvailable());
    for (let i = 0; i < 0x10000; i++) {
      device.use(...device.take());
      reap();
      add(1);
      if (i === 0x7ffc || i === 0xfffb || i === 0xfffc) seen.push(queue.nextAvailable());
    }
    expect(seen).toEqual([0, 3, 0x8000, 0xffff, 0]);
  });

  it('S12 (2.7.7.1): without EVENT_IDX avail.flags is 0 or 1 and used_event is left alone', () => {
    const { queue, device, region, add, reap } = setUp(kind);
    const flags = queue.addresses.driver / 2;
    const seen: number[] = [region.u16[flags]];
    for (let round = 0; round < 3; round++) {
      queue.armInterrupt();
      seen.push(region.u16[flags]);
      add(1, 2);
      device.use(...device.take());
      reap();
      queue.disarmInterrupt();
      seen.push(region.u16[flags]);
    }
    expect([seen, region.u16[flags + 2 + 8]]).toEqual([[1, 0, 1, 0, 1, 0, 1], 0]);
  });

  it('S12 (2.7.7.1): with EVENT_IDX avail.flags stays 0 and used_event says when', () => {
    const { queue, device, region, add, reap } = setUp(kind, { eventIdx: true });
    const flags = queue.addresses.driver / 2;
    const seen: number[] = [];
    for (let round = 0; round < 3; round++) {
      queue.armInterrupt();
      seen.push(region.u16[flags], region.u16[flags + 2 + 8]);
      add(1, 2);
      device.use(...device.take());
      reap();
      queue.disarmInterrupt();
      seen.push(region.u16[flags]);
    }
    expect(seen).toEqual([0, 0, 0, 0, 2, 0, 0, 4, 0]);
  });

  it('S13 (2.7.7.1): an interrupt for nothing finds nothing and breaks nothing', () => {
    const { queue, device, add, reap } = setUp(kind);
    expect(reap()).toEqual([]);
    const [token] = add(9);
    expect(reap()).toEqual([]);
    device.use(...device.take());
    expect([reap(), reap(), queue.broken]).toEqual([[[token, 0]], [], undefined]);
  });

  it('S14 (2.7.8.3): hands on how many bytes were written, buffer by buffer', () => {
    const { device, add, reap } = setUp(kind, { deviceWrites: true });
    const tokens = add(100, 100, 100);
    const [a, b, c] = device.take();
    device.use({ ...a, length: 100 }, { ...b, length: 1 }, c);
    expect(reap()).toEqual([
      [tokens[0], 100],
      [tokens[1], 1],
      [tokens[2], 0],
    ]);
  });

  it('S15 (2.7.10.1): used.flags is 0 when the ring is allocated, whatever was there', () => {
    const { queue, region } = setUp(kind);
    region.u8.fill(0xff, queue.addresses.device);
    const again = setUp(kind, { queue: { region } });
    expect(region.u16[again.queue.addresses.device / 2]).toBe(0);
  });

  it('S15 (2.7.10.1): a ring that another thread has prepared is left as it is', () => {
    const { queue, region } = setUp(kind);
    region.u16[queue.addresses.device / 2] = 1;
    setUp(kind, { queue: { region, prepared: true } });
    expect(region.u16[queue.addresses.device / 2]).toBe(1);
  });

  it.each([
    ['kicks', 0, true],
    ['does not kick', 1, false],
  ])(
    'S16 (2.7.10.1): without EVENT_IDX %s when used.flags is %i, whatever avail_event says',
    (_, flags, kicked) => {
      for (const event of [0, 1, 5, 0xffff]) {
        const { queue, device, add } = setUp(kind);
        device.wantKicks(event);
        device.setFlags(flags);
        add(1, 2);
        expect(queue.kickNeeded()).toBe(kicked);
      }
    },
  );

  it.each([0, 1])('S17 (2.7.10.1): with EVENT_IDX kicks at the event only, used.flags %i or not', (flags) => {
    const { queue, device, add } = setUp(kind, { eventIdx: true });
    device.setFlags(flags);
    device.wantKicks(3);
    const kicks = [1, 1, 1, 1, 1].map((length) => {
      add(length);
      return queue.kickNeeded();
    });
    expect(kicks).toEqual([false, false, false, true, false]);
  });

  it('S18 (2.7.13.3.1): all of a burst is written before the store to avail.idx that releases it', () => {
    const { device, addChains } = setUp(kind);
    const store = Atomics.store.bind(Atomics);
    let before: unknown;
    const spy = vi
      .spyOn(Atomics, 'store')
      .mockImplementationOnce((...args: Parameters<typeof Atomics.store>) => {
        before = device.take();
        // A look ahead: nothing but the index is missing.
        const result = store(...args);
        expect(device.take().map(({ buffers }) => buffers.length)).toEqual([2, 1, 3]);
        return result;
      });
    addChains([1, 2], [3], [4, 5, 6]);
    expect([before, spy.mock.calls.length]).toEqual([[], 1]);
  });

  it.each([true, false])(
    'S19 (2.7.13.4.1): looks for the device’s wish after the index was stored (EVENT_IDX: %s)',
    (eventIdx) => {
      const { queue, add } = setUp(kind, { eventIdx });
      const order: string[] = [];
      const [store, load] = [Atomics.store.bind(Atomics), Atomics.load.bind(Atomics)];
      vi.spyOn(Atomics, 'store').mockImplementation((...args: Parameters<typeof Atomics.store>) => {
        order.push(`store ${args[1] - queue.addresses.driver / 2}`);
        return store(...args);
      });
      vi.spyOn(Atomics, 'load').mockImplementation((...args: Parameters<typeof Atomics.load>) => {
        order.push(`load ${args[1] - queue.addresses.device / 2}`);
        return load(...args);
      });
      add(1);
      queue.kickNeeded();
      expect(order).toEqual(['store 1', `load ${eventIdx ? 2 + 4 * 8 : 0}`]);
    },
  );
});

describe('split, in order', () => {
  const kind = { format: 'split', inOrder: true } as const;

  it('S5 (2.7.5.2): a descriptor points to the following one, the last of the table to 0', () => {
    const { device, addChains, reap } = setUp(kind, { size: 4, indirect: false });
    const links: [number, number][] = [];
    for (let round = 0; round < 4; round++) {
      addChains([1, 2, 3]);
      const [chain] = device.take();
      links.push(...chain.list.slice(0, -1).map(({ index, next }): [number, number] => [index, next]));
      device.use(chain);
      reap();
    }
    expect(links).toEqual([
      [0, 1],
      [1, 2],
      [3, 0],
      [0, 1],
      [2, 3],
      [3, 0],
      [1, 2],
      [2, 3],
    ]);
  });

  it('S5 (2.7.9): makes descriptors available in ring order', () => {
    const { device, add, addChains, reap } = setUp(kind, { indirect: false });
    const indexes: number[] = [];
    for (let round = 0; round < 5; round++) {
      add(1);
      addChains([1, 2], [3]);
      const chains = device.take();
      indexes.push(...chains.flatMap(({ list }) => list.map(({ index }) => index)));
      device.use(...chains);
      reap();
    }
    expect(indexes).toEqual(indexes.map((_, i) => i % 8));
  });

  it('S10 (2.7.5.3.1): the entries of a table follow each other', () => {
    const { device, addChains } = setUp(kind);
    addChains([1, 2, 3, 4]);
    const [{ table }] = device.take();
    expect(table?.map(({ next, flags }) => [flags & 1, next])).toEqual([
      [1, 1],
      [1, 2],
      [1, 3],
      [0, 0],
    ]);
  });
});
