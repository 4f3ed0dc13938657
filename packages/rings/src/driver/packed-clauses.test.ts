import { afterEach, describe, expect, it, vi } from 'vitest';
import { ofLength, packedKinds, prefix, setUp } from '../test-support/driver-setup.ts';

/** What virtio 1.4 asks of the driver of a packed virtqueue, section 2.8, one test per clause. */

afterEach(() => vi.restoreAllMocks());

const [AVAIL, USED] = [1 << 7, 1 << 15];

describe.each(packedKinds)('$format, in order: $inOrder', (kind) => {
  it.each([1, 3, 7, 64, 32768])('P1 (2.8.11): aligns the parts of a ring of %i to 16, 4 and 4', (size) => {
    const { queue } = setUp(kind, { size, indirect: false });
    const { descriptors, driver, device } = queue.addresses;
    expect([descriptors % 16, driver % 4, device % 4]).toEqual([0, 0, 0]);
  });

  it.each([1, 3, 8, 65])('P1 (2.8.11): the parts of a ring of %i do not overlap', (size) => {
    const { queue } = setUp(kind, { size, indirect: false });
    const { descriptors, driver, device } = queue.addresses;
    expect(driver - descriptors).toBeGreaterThanOrEqual(16 * size);
    expect(device - driver).toBeGreaterThanOrEqual(4);
  });

  it('P2 (2.8.16): does not write a descriptor the device has not used, though others came back', () => {
    const { queue, device, region, add, reap } = setUp(kind, { size: 4 });
    add(1, 2, 3, 4);
    device.use(device.take()[0]);
    reap();
    const ring = () => region.u8.slice(queue.addresses.descriptors, queue.addresses.descriptors + 64);
    const before = ring();
    add(5, 6);
    expect(ring().subarray(16)).toEqual(before.subarray(16));
  });

  it('P2 (2.8.16): takes nothing for used before its USED bit has flipped, lap after lap', () => {
    const { device, add, reap } = setUp(kind, { size: 3 });
    for (let lap = 0; lap < 4; lap++) {
      add(1, 2, 3);
      expect(reap()).toEqual([]);
      device.use(...device.take());
      expect([reap().length, reap().length]).toEqual([3, 0]);
    }
  });

  it('P3 (2.8.16): a descriptor is not changed once it is available', () => {
    const { queue, region, add, addChains } = setUp(kind);
    add(1, 2);
    addChains([3, 4]);
    const before = region.u8.slice(queue.addresses.descriptors, queue.addresses.descriptors + 3 * 16);
    add(5);
    addChains([6, 7], [8]);
    queue.kickNeeded();
    queue.armInterrupt();
    const after = region.u8.slice(queue.addresses.descriptors, queue.addresses.descriptors + 3 * 16);
    expect(after).toEqual(before);
  });

  it('P4 (2.8.16, 2.9): says where the next descriptor goes, and the wrap counter there', () => {
    const { queue, device, add, addChains, reap } = setUp(kind, { size: 5, indirect: false });
    const seen = [queue.nextAvailable()];
    for (let round = 0; round < 4; round++) {
      if (round % 2 === 0) addChains([1, 2, 3]);
      else add(1);
      seen.push(queue.nextAvailable());
      device.use(...device.take());
      reap();
    }
    const wrap = 0x8000;
    expect(seen).toEqual([wrap, wrap | 3, wrap | 4, 2, 3]);
  });

  it('P5 (2.8.16): a kick for nothing new is not asked for', () => {
    const { queue, device, add } = setUp(kind);
    device.wantKicks('always');
    expect(queue.kickNeeded()).toBe(false);
    add(1, 2);
    expect([queue.kickNeeded(), queue.kickNeeded()]).toEqual([true, false]);
  });

  it('P6 (2.8.17): a list longer than the queue is not exposed, indirect or not', () => {
    for (const indirect of [true, false]) {
      const { queue, device, addChains } = setUp(kind, { size: 5, indirect });
      expect(addChains(ofLength(6))).toEqual([]);
      expect([device.take(), queue.free, queue.outstanding]).toEqual([[], 5, 0]);
    }
  });

  it('P6 (2.8.17): a list as long as the queue is, wherever it starts', () => {
    for (const indirect of [true, false]) {
      const { device, add, addChains, reap } = setUp(kind, { size: 5, indirect });
      for (let start = 0; start < 11; start++) {
        addChains(ofLength(5));
        const [chain] = device.take();
        expect(chain.buffers.map(({ length }) => length)).toEqual([10 + prefix, 11, 12, 13, 14]);
        device.use(chain);
        add(1);
        reap();
        add(1);
        device.use(...device.take());
        reap();
      }
    }
  });

  it.each([
    ['readable', false],
    ['writable', true],
  ])('P7 (2.8.17): a list of a queue is all %s', (_, deviceWrites) => {
    const { device, add, addChains } = setUp(kind, { deviceWrites });
    add(1);
    addChains([1, 2], [3, 4, 5]);
    const directions = device.take().flatMap(({ buffers }) => buffers.map(({ writable }) => writable));
    expect(new Set(directions)).toEqual(new Set([deviceWrites]));
  });

  it('P8 (2.8.17): begins no list that does not fit the free part of the ring', () => {
    const { queue, device, region, add, addChains } = setUp(kind, { size: 5, indirect: false });
    add(1, 2, 3);
    const before = region.u8.slice(queue.addresses.descriptors, queue.addresses.driver);
    expect(addChains(ofLength(3), [1])).toEqual([]);
    expect(region.u8.slice(queue.addresses.descriptors, queue.addresses.driver)).toEqual(before);
    expect([device.take().length, queue.free]).toEqual([3, 2]);
  });

  it('P9 (2.8.17), P14 (2.8.21.1.1): the flags of the first head are written last, by the store that releases the burst', () => {
    const { queue, device, addChains } = setUp(kind, { indirect: false });
    const store = Atomics.store.bind(Atomics);
    let before: unknown;
    const spy = vi
      .spyOn(Atomics, 'store')
      .mockImplementationOnce((...args: Parameters<typeof Atomics.store>) => {
        before = device.take();
        expect(args[1]).toBe(queue.addresses.descriptors / 4 + 3);
        const result = store(...args);
        expect(device.take().map(({ buffers }) => buffers.length)).toEqual([2, 1, 3]);
        return result;
      });
    addChains([1, 2], [3], [4, 5, 6]);
    expect([before, spy.mock.calls.length]).toEqual([[], 1]);
  });

  it.each(['add', 'addBuffers'] as const)(
    'P9 (2.8.17): so with %s, across the end of the ring as well',
    (method) => {
      const { queue, device, pool, add, reap } = setUp(kind, { size: 5 });
      add(1, 2, 3);
      device.use(...device.take());
      reap();
      const store = Atomics.store.bind(Atomics);
      let before: unknown;
      const spy = vi
        .spyOn(Atomics, 'store')
        .mockImplementationOnce((...args: Parameters<typeof Atomics.store>) => {
          before = device.take();
          return store(...args);
        });
      if (method === 'add') add(1, 2, 3, 4);
      else pool.supply(queue, 4, prefix);
      expect([before, spy.mock.calls.length, device.take().length]).toEqual([[], 1, 4]);
    },
  );

  it('P10 (2.8.19): without INDIRECT_DESC every list is direct', () => {
    const { device, addChains } = setUp(kind, { indirect: false });
    addChains([1, 2, 3], [4, 5]);
    const [first, second] = device.take();
    expect([first.table, first.slots, second.table, second.slots]).toEqual([undefined, 3, undefined, 2]);
  });

  it('P10 (2.8.19): with INDIRECT_DESC a list takes one slot, a single buffer stays direct', () => {
    const { device, addChains } = setUp(kind);
    addChains([1, 2, 3], [4]);
    const [first, second] = device.take();
    expect([first.table?.length, first.slots, second.table, second.slots]).toEqual([3, 1, undefined, 1]);
  });

  it.each([
    [false, 0],
    [true, 2],
  ])('P11 (2.8.19): no flag but WRITE in a table (device writes: %s)', (deviceWrites, flags) => {
    const { device, addChains } = setUp(kind, { deviceWrites });
    addChains([1, 2, 3]);
    expect(device.take()[0].table?.map((entry) => entry.flags)).toEqual([flags, flags, flags]);
  });

  it('P12 (2.8.19): a list longer than a table is direct', () => {
    const { device, addChains } = setUp(kind, { queue: { indirectEntries: 3 } });
    addChains(ofLength(4), ofLength(3));
    expect(device.take().map(({ slots }) => slots)).toEqual([4, 1]);
  });

  it('P13 (2.8.19): an indirect descriptor stands alone', () => {
    const { device, addChains } = setUp(kind, { queue: { indirectEntries: 3 } });
    addChains([1, 2, 3], [1, 2, 3, 4], [1, 2]);
    const flags = device.take().flatMap(({ list }) => list.map((descriptor) => descriptor.flags & 7));
    expect(flags).toEqual([4, 1, 1, 1, 0, 4]);
  });

  it('P15 (2.8.21.3.1): reads the device event structure after the store that releases the burst', () => {
    const { queue, add } = setUp(kind);
    const order: string[] = [];
    const [store, load] = [Atomics.store.bind(Atomics), Atomics.load.bind(Atomics)];
    vi.spyOn(Atomics, 'store').mockImplementation((...args: Parameters<typeof Atomics.store>) => {
      order.push(`store ${args[1] - queue.addresses.descriptors / 4}`);
      return store(...args);
    });
    vi.spyOn(Atomics, 'load').mockImplementation((...args: Parameters<typeof Atomics.load>) => {
      order.push(`load ${args[1] - queue.addresses.device / 4}`);
      return load(...args);
    });
    add(1);
    queue.kickNeeded();
    expect(order).toEqual(['store 3', 'load 0']);
  });

  it('2.8.1: AVAIL and USED change their meaning with every lap', () => {
    const { device, add, reap } = setUp(kind, { size: 3 });
    const bits: number[] = [];
    for (let i = 0; i < 9; i++) {
      add(1);
      const [chain] = device.take();
      bits.push(chain.list[0].flags & (AVAIL | USED));
      device.use(chain);
      reap();
    }
    expect(bits).toEqual([AVAIL, AVAIL, AVAIL, USED, USED, USED, AVAIL, AVAIL, AVAIL]);
  });

  it('2.8.4: what a device leaves in the address of a used descriptor does not get into the next buffer', () => {
    const { device, pool, queue, add, addChains, reap } = setUp(kind, { size: 3 });
    const seen: number[] = [];
    const expected: number[] = [];
    const token = new Int32Array(1);
    for (let round = 0; round < 3; round++) {
      const packets = [...add(1), ...addChains([2])];
      pool.alloc(token, 0, 1);
      queue.addBuffers(token, 0, 1, pool.dataBase - prefix, pool.stride, 64);
      const chains = device.take();
      seen.push(...chains.map(({ buffers }) => buffers[0].address));
      expected.push(...[...packets, ...token].map((b) => pool.dataBase + b * pool.stride - prefix));
      device.use(...chains);
      reap();
    }
    expect(seen).toEqual(expected);
  });

  it.each([2, 0])(
    '2.8.3: takes the length of a used buffer as written, with and without WRITE (%i)',
    (write) => {
      // QEMU's device leaves WRITE off in every used descriptor.
      const { queue, device, add, reap } = setUp(kind, { deviceWrites: true });
      const [token] = add(100);
      device.use({ ...device.take()[0], length: 77 });
      const flags = queue.addresses.descriptors + 14;
      device.memory.setU16(flags, AVAIL | USED | write);
      expect(reap()).toEqual([[token, 77]]);
    },
  );

  it('2.8.6: ignores NEXT in a used descriptor', () => {
    const { queue, device, add, reap } = setUp(kind);
    const tokens = add(1, 2, 3);
    device.use(...device.take().map((chain) => ({ ...chain, flags: 1 })));
    expect([reap().map(([token]) => token), queue.broken]).toEqual([tokens, undefined]);
  });

  it('2.8.6: one used descriptor stands for a whole list, the ring goes on behind it', () => {
    const { device, addChains, reap } = setUp(kind, { size: 5, indirect: false });
    for (let round = 0; round < 11; round++) {
      const heads = addChains([1, 2], [3, 4, 5]);
      device.use(...device.take());
      expect(reap().map(([token]) => token)).toEqual(heads);
    }
  });
});
