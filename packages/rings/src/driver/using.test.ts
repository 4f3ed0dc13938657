import { describe, expect, it } from 'vitest';
import { VioError } from '@vio/native';
import { Region } from '../memory/region.ts';
import { createDriverQueue } from './create-driver-queue.ts';
import {
  inOrderKinds,
  kinds,
  ofLength,
  outOfOrderKinds,
  prefix,
  setUp,
} from '../test-support/driver-setup.ts';

describe.each(kinds)('$format, in order: $inOrder', (kind) => {
  it('gives back the token of every buffer the device has used', () => {
    const { device, add, reap } = setUp(kind);
    const tokens = add(1, 2, 3);
    const [a, b, c] = device.take();
    device.use(a);
    expect(reap()).toEqual([[tokens[0], 0]]);
    device.use(b, c);
    expect(reap().map(([token]) => token)).toEqual(tokens.slice(1));
  });

  it('gives back the first buffer of a packet of several', () => {
    const { device, add, addChains, reap } = setUp(kind, { indirect: false });
    const heads = [...addChains([1, 2, 3]), ...add(4), ...addChains([5, 6])];
    device.use(...device.take());
    expect(reap().map(([token]) => token)).toEqual(heads);
  });

  it('takes back no more than asked for, and the rest later', () => {
    const { device, add, reap } = setUp(kind);
    const tokens = add(1, 2, 3, 4, 5);
    device.use(...device.take());
    expect([reap(2), reap(2), reap(2)].flat().map(([token]) => token)).toEqual(tokens);
  });

  it('fills the caller’s arrays from the entry asked for', () => {
    const { queue, device, add } = setUp(kind, { deviceWrites: true });
    const [token] = add(50);
    device.use({ ...device.take()[0], length: 50 });
    const [tokens, lengths] = [new Int32Array(4).fill(-7), new Int32Array(4).fill(-7)];
    expect(queue.reap(tokens, lengths, 2, 2)).toBe(1);
    expect([[...tokens], [...lengths]]).toEqual([
      [-7, -7, token, -7],
      [-7, -7, 50, -7],
    ]);
  });

  it('gives back tokens to a caller who does not ask for lengths', () => {
    const { queue, device, add } = setUp(kind);
    const expected = add(1, 2);
    device.use(...device.take());
    const tokens = new Int32Array(2);
    expect([queue.reap(tokens, undefined, 0, 2), [...tokens]]).toEqual([2, expected]);
  });

  it('adds what fits and says how much', () => {
    const { queue, device, add } = setUp(kind);
    expect([add(...ofLength(5)).length, add(...ofLength(5)).length, add(1).length]).toEqual([5, 3, 0]);
    expect([queue.free, queue.outstanding, device.take().length]).toEqual([0, 8, 8]);
  });

  it('adds chains until one does not fit', () => {
    const { queue, device, addChains } = setUp(kind, { indirect: false });
    expect(addChains([1, 2, 3], [4, 5, 6], [7, 8, 9], [1])).toHaveLength(2);
    expect([queue.free, queue.outstanding, device.take().length]).toEqual([2, 2, 2]);
  });

  it('adds from an entry in the middle of a burst', () => {
    const { queue, device } = setUp(kind);
    const [token, offset, length] = [
      Int32Array.of(1, 2, 3),
      Int32Array.of(64, 128, 192),
      Int32Array.of(4, 5, 6),
    ];
    expect(queue.add(token, offset, length, 1, 1, 4)).toBe(1);
    expect(device.take().map(({ buffers }) => buffers)).toEqual([
      [{ address: 124, length: 9, writable: false }],
    ]);
  });

  it.each([[[]], [[1, 2]]])('adds nothing when asked to add nothing, %j before', (before) => {
    const { queue, device, add } = setUp(kind);
    add(...before);
    const nothing = new Int32Array(0);
    expect([
      queue.add(nothing, nothing, nothing, 0, 0, 0),
      queue.addBuffers(nothing, 0, 0, 0, 0, 0),
      add().length,
    ]).toEqual([0, 0, 0]);
    expect(device.take()).toHaveLength(before.length);
  });

  it('exposes empty buffers of a pool', () => {
    const { queue, device, pool, reap } = setUp(kind, { deviceWrites: true });
    expect(pool.supply(queue, 20, prefix)).toBe(8);
    const chains = device.take();
    const tokens = chains.map(({ buffers }) => (buffers[0].address + prefix - pool.dataBase) / pool.stride);
    expect(chains.map(({ buffers }) => [buffers[0].length, buffers[0].writable])).toEqual(
      Array.from({ length: 8 }, () => [pool.dataRoom + prefix, true]),
    );
    device.use(...chains.map((chain) => ({ ...chain, length: 99 })));
    expect(reap()).toEqual(tokens.map((token) => [token, 99]));
    expect(pool.free).toBe(pool.count);
  });

  it('a ring of one descriptor serves one buffer after the other', () => {
    const { queue, device, add, addChains, reap } = setUp(kind, { size: 1 });
    for (let round = 0; round < 5; round++) {
      const tokens = round % 2 === 0 ? add(1, 2) : addChains([1], [2]);
      device.use(...device.take());
      expect([reap().map(([token]) => token), queue.free]).toEqual([tokens, 1]);
    }
  });

  it.each([0, 1, 7, 8, 9, 29])('a device that starts at its base goes on after %i buffers', (before) => {
    const { queue, device, add, reap } = setUp(kind);
    for (let i = 0; i < before; i++) {
      add(1);
      device.use(...device.take());
      reap();
    }
    const slot = before % 8;
    const wrap = Math.floor(before / 8) % 2 === 0 ? 0x8000 : 0;
    const half = slot | wrap;
    expect(queue.base()).toBe(kind.format === 'split' ? before : half * 0x1_0001);
  });

  it('says where the device has got to before anybody takes back what it used', () => {
    const { queue, device, addChains, reap } = setUp(kind, { indirect: false });
    for (let round = 0; round < 12; round++) {
      addChains([1], [2, 3], [4]);
      device.use(...device.take(2));
      const base = queue.base();
      reap();
      expect(queue.base()).toBe(base);
      device.use(...device.take());
      reap();
    }
  });

  it('gives back everything a stopped device held, used and not', () => {
    const { queue, device, pool, add, addChains, reclaim } = setUp(kind, { indirect: false });
    const tokens = [...add(1, 2), ...addChains([3, 4, 5]), ...add(6)];
    device.use(...device.take(2));
    expect(reclaim()).toEqual(tokens.toSorted((a, b) => a - b));
    expect([pool.free, queue.free, queue.outstanding, reclaim()]).toEqual([pool.count, 8, 0, []]);
  });

  it('has nothing for a device that was given nothing', () => {
    const { queue, device, reap } = setUp(kind);
    expect([device.take(), reap(), queue.outstanding, queue.free]).toEqual([[], [], 0, 8]);
  });

  it.each([
    ['off a page', 4096 + 16, 65536],
    ['in front of the region', -4096, 65536],
    ['behind the region', 65536, 65536],
    ['so that it ends behind the region', 4096, 8192],
  ])('is not built %s', (_, offset, bytes) => {
    const region = new Region(new ArrayBuffer(bytes));
    const features = { ...kind, indirect: true, eventIdx: false };
    expect(() => createDriverQueue({ region, offset, size: 64, features, deviceWrites: false })).toThrow(
      expect.objectContaining({ constructor: VioError, code: 'VIO_RING_PART' }),
    );
  });
});

describe.each(outOfOrderKinds)('$format', (kind) => {
  it('takes buffers back in any order', () => {
    const { queue, device, add, addChains, reap } = setUp(kind, { indirect: false });
    const [a, b, c, d] = [...add(1), ...addChains([2, 3, 4]), ...add(5, 6)];
    const [first, second, third, fourth] = device.take();
    device.use(third, first);
    device.use(fourth, second);
    expect(reap().map(([token]) => token)).toEqual([c, a, d, b]);
    expect(queue.free).toBe(8);
  });

  it('never exposes an id or a table that the device still has', () => {
    const { device, add, addChains, reap } = setUp(kind, { size: 4 });
    // The first stays at the device while the others go round; it throws when an id is exposed twice.
    const [slow] = addChains([1, 2, 3]);
    const [kept] = device.take();
    for (let round = 0; round < 20; round++) {
      addChains([1, 2]);
      add(1, 2);
      device.use(...device.take().toReversed());
      reap();
    }
    const after = kept.table?.map(({ address, length }) => [address, length]);
    expect(after).toEqual(kept.buffers.map(({ address, length }) => [address, length]));
    device.use(kept);
    expect(reap()).toEqual([[slow, 0]]);
  });
});

describe.each(inOrderKinds)('$format, in order', (kind) => {
  it('takes one used entry for a batch', () => {
    const { device, add, reap } = setUp(kind);
    const tokens = add(1, 2, 3, 4);
    device.useBatch(device.take(3));
    expect(reap().map(([token]) => token)).toEqual(tokens.slice(0, 3));
    device.useBatch(device.take());
    expect(reap().map(([token]) => token)).toEqual(tokens.slice(3));
  });

  it('takes batches and single entries one after the other, in one go', () => {
    const { device, add, reap } = setUp(kind);
    const tokens = add(...ofLength(7));
    const chains = device.take();
    device.useBatch(chains.slice(0, 2));
    device.use(chains[2]);
    device.useBatch(chains.slice(3, 6));
    device.use(chains[6]);
    expect(reap().map(([token]) => token)).toEqual(tokens);
  });

  it.each([1, 2, 3])('takes a batch of lists across the end of the ring, %i at a time', (max) => {
    const { queue, device, add, addChains, reap } = setUp(kind, { indirect: false });
    for (let round = 0; round < 20; round++) {
      const tokens = [...addChains([1, 2]), ...add(3), ...addChains([4, 5, 6]), ...add(7)];
      device.useBatch(device.take());
      const back = [];
      while (queue.outstanding > 0) back.push(...reap(max));
      expect([back.map(([token]) => token), queue.free]).toEqual([tokens, 8]);
    }
  });

  it('adds while a batch is half taken', () => {
    const { queue, device, add, reap } = setUp(kind);
    const tokens = add(1, 2, 3, 4, 5, 6);
    device.useBatch(device.take());
    const back = reap(4);
    tokens.push(...add(7, 8, 9));
    device.useBatch(device.take());
    back.push(...reap());
    expect([back.map(([token]) => token), queue.free, queue.broken]).toEqual([tokens, 8, undefined]);
  });

  it('2.7.9, 2.8.8: of a batch, what the device may write counts as written but for the last', () => {
    const { device, add, addChains, reap } = setUp(kind, { deviceWrites: true });
    const tokens = [...add(100, 90), ...addChains([50, 40]), ...add(80)];
    device.useBatch(device.take(), 7);
    expect(reap()).toEqual([
      [tokens[0], 100 + prefix],
      [tokens[1], 90 + prefix],
      [tokens[2], 90 + prefix],
      [tokens[3], 7],
    ]);
  });

  it('of a batch the device may only read nothing counts as written', () => {
    const { device, add, reap } = setUp(kind);
    const tokens = add(100, 90);
    device.useBatch(device.take());
    expect(reap()).toEqual(tokens.map((token) => [token, 0]));
  });

  it('keeps the length of a batch for the last of it, taken later', () => {
    const { device, add, reap } = setUp(kind, { deviceWrites: true });
    const tokens = add(100, 90, 80);
    device.useBatch(device.take(), 5);
    expect([reap(2), reap(2)]).toEqual([
      [
        [tokens[0], 100 + prefix],
        [tokens[1], 90 + prefix],
      ],
      [[tokens[2], 5]],
    ]);
  });

  it('says to poll while a batch is half taken', () => {
    const { queue, device, add, reap } = setUp(kind);
    add(1, 2, 3);
    device.useBatch(device.take());
    reap(1);
    const half = queue.armInterrupt();
    reap();
    expect([half, queue.armInterrupt()]).toEqual([true, false]);
  });

  it('gives back what is left of a batch when the device is stopped', () => {
    const { device, pool, add, reap, reclaim } = setUp(kind);
    const tokens = add(1, 2, 3, 4);
    device.useBatch(device.take(3));
    reap(1);
    expect([reclaim(), pool.free]).toEqual([tokens.slice(1).toSorted((a, b) => a - b), pool.count]);
  });
});
