import { describe, expect, it } from 'vitest';
import { ChainBurst } from '../device/chain-burst.ts';
import type { RingFormat } from '../format.ts';
import { freshMemory } from '../testing/guest-memory.ts';
import { Random } from '../testing/random.ts';
import { ScriptedDriver } from '../testing/scripted-driver.ts';
import { InflightEntries } from './inflight-entries.ts';
import { inflightBytes } from './inflight-layout.ts';
import { createTrackedDeviceQueue } from './tracked-device.ts';

const size = 8;
const formats: readonly RingFormat[] = ['split', 'packed'];

/** A ring with two journals: that of a device queue, and one that somebody keeps who walks the ring by himself. */
function setUp(format: RingFormat) {
  const memory = freshMemory({ guestAddress: 0x1000, size: 0x1_0000 });
  const features = { format, inOrder: false, indirect: false, eventIdx: false };
  const driver = new ScriptedDriver({ memory, size, features });
  const area = () => ({ buffer: new ArrayBuffer(inflightBytes(format, size)), offset: 0 });
  const [its, own] = [area(), area()];
  const queue = createTrackedDeviceQueue(driver.device, its);
  // Makes it a fresh one.
  createTrackedDeviceQueue(driver.device, own);
  const ring = {
    words: memory.windows[0].region.i32,
    start: driver.addresses.descriptors.offset / 4,
  };
  const entries = new InflightEntries(own, format, size);
  return { driver, queue, its, own, ring, entries };
}

describe.each(formats)('a %s ring that somebody walks by himself', (format) => {
  const packed = format === 'packed';

  it('has the journal that a device queue keeps, whatever is used in whatever order', () => {
    const wrong: string[] = [];
    for (let seed = 1; seed <= 8; seed++) {
      const random = new Random(seed);
      const { driver, queue, its, own, ring, entries } = setUp(format);
      const flying: { chains: ChainBurst; entry: number }[] = [];
      const address = driver.memory.put('x');
      let position = 0;
      let used = 0;
      for (let step = 0; step < 200; step++) {
        const slots = 1 + random.below(3);
        if (driver.free >= slots && random.chance(0.6)) {
          driver.expose(Array.from({ length: slots }, () => ({ address, length: 1 })));
          const chains = new ChainBurst(1);
          queue.fetch(chains, 1);
          const entry = packed
            ? entries.set(position, (position + slots - 1) % size, ring)
            : entries.set(chains.id[0], chains.id[0], ring);
          position = (position + slots) % size;
          flying.push({ chains, entry });
        } else if (flying.length > 0) {
          const [{ chains, entry }] = flying.splice(random.below(flying.length), 1);
          entries.setLast(entry);
          queue.complete(chains, 0, 1);
          entries.clear(entry, ++used);
          driver.used();
        }
        const same = Buffer.compare(new Uint8Array(own.buffer), new Uint8Array(its.buffer)) === 0;
        const order = entries.taken().join() === flying.map(({ entry }) => entry).join();
        if (!same || !order) wrong.push(`seed ${seed}, step ${step}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('goes on in a successor where it was: what is in flight comes first, in its order', () => {
    const { driver, own, ring, entries } = setUp(format);
    const ids = driver.expose(
      ...['a', 'b', 'c', 'd'].map((text) => [{ address: driver.memory.put(text), length: 1 }]),
    );
    const heads = packed ? [0, 1, 2] : ids.slice(0, 3);
    const noted = heads.map((head) => entries.set(head, head, ring));
    expect(new InflightEntries(own, format, size).taken()).toEqual(noted);
    // Begun, and not shown to the driver.
    entries.setLast(noted[1]);
    const next = createTrackedDeviceQueue(driver.device, own);
    const chains = new ChainBurst(8);
    expect(next.fetch(chains, 8)).toBe(3);
    expect(Array.from(chains.id.subarray(0, 3))).toEqual(ids.slice(0, 3));
    next.complete(chains, 0, 3);
    expect(next.fetch(chains, 8)).toBe(1);
    expect(chains.id[0]).toBe(ids[3]);
    expect(new InflightEntries(own, format, size).taken()).toHaveLength(1);
  });

  it('says where it was used up to', () => {
    const { driver, queue, its } = setUp(format);
    const chains = new ChainBurst(1);
    for (let i = 0; i < size + 3; i++) {
      driver.expose([{ address: driver.memory.put('x'), length: 1 }]);
      queue.complete(chains, 0, queue.fetch(chains, 1));
      driver.used();
    }
    const base = new InflightEntries(its, format, size).base();
    // The wrap counter began at 1, and the ring was gone round once.
    expect(base).toBe(packed ? (3 << 16) | 3 : size + 3);
  });

  it('has entries and descriptors of its own, and no others', () => {
    const { entries, ring } = setUp(format);
    for (const index of [-1, size, 0.5, Number.NaN]) {
      expect(() => entries.set(index, 0, ring)).toThrow(RangeError);
      expect(() => entries.set(0, index, ring)).toThrow(RangeError);
      expect(() => entries.setLast(index)).toThrow(RangeError);
      expect(() => entries.clear(index, 0)).toThrow(RangeError);
    }
  });

  it('is written within its journal, whatever its frontend makes of that', () => {
    const random = new Random(5);
    const codes = new Set<string | undefined>();
    for (let round = 0; round < 2000; round++) {
      const bytes = inflightBytes(format, size);
      const buffer = new ArrayBuffer(bytes + 128);
      const u8 = new Uint8Array(buffer);
      random.scramble(u8, 64, 64 + bytes);
      const edges = (): Uint8Array[] => [u8.slice(0, 64), u8.slice(64 + bytes)];
      const before = edges();
      const { ring } = setUpOnce[format];
      const entries = new InflightEntries({ buffer, offset: 64 }, format, size);
      for (const call of [
        () => entries.set(random.below(size), random.below(size), ring),
        () => entries.setLast(random.below(size)),
        () => entries.clear(random.below(size), 0),
        () => entries.taken(),
        () => entries.base(),
      ]) {
        try {
          call();
        } catch (error) {
          codes.add((error as { code?: string }).code);
        }
      }
      if (edges().some((edge, i) => Buffer.compare(edge, before[i]) !== 0)) codes.add('beside');
    }
    codes.delete('VIO_RING_INFLIGHT');
    expect([...codes]).toEqual([]);
  });
});

const setUpOnce = { split: setUp('split'), packed: setUp('packed') };

it('a packed ring has no entry left for a chain longer than its free ones, and nothing changes', () => {
  const { entries, own, ring } = setUp('packed');
  entries.set(0, 5, ring);
  const before = new Uint8Array(own.buffer.slice(0, 32));
  expect(() => entries.set(6, 0, ring)).toThrow(
    expect.objectContaining({ code: 'VIO_RING_INFLIGHT' }) as Error,
  );
  expect(new Uint8Array(own.buffer.slice(0, 32))).toEqual(before);
  expect(entries.taken()).toEqual([0]);
  expect(entries.set(6, 7, ring)).toBe(6);
});
