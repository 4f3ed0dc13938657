import { describe, expect, it } from 'vitest';
import { createDeviceQueue, splitBaseFromUsedRing } from './create-device-queue.ts';
import { formats, setUp } from '../test-support/device-setup.ts';

const chain = [{ address: 0x1_ffff_c000, length: 1 }];

describe.each(formats)('%s: stopping and resuming', (format) => {
  it.each([0, 1, 7, 8, 9, 29])('goes on where it stopped after %i buffers', (before) => {
    const { driver, queue, chains } = setUp(format);
    for (let i = 0; i < before; i++) {
      driver.expose(chain);
      queue.complete(chains, 0, queue.fetch(chains, 1));
      driver.used();
    }
    const resumed = createDeviceQueue({ ...driver.device, base: queue.base() });
    const ids = driver.expose(chain, chain);
    expect(resumed.fetch(chains, 32)).toBe(2);
    resumed.complete(chains, 0, 2);
    expect(driver.used().map(({ id }) => id)).toEqual(ids);
  });

  it('calls the driver for the first buffer used after resuming, whatever it armed for the device before', () => {
    const { driver, queue, chains } = setUp(format, { eventIdx: true });
    driver.expose(chain, chain);
    queue.complete(chains, 0, queue.fetch(chains, 32));
    driver.used();
    driver.wantCalls(5);
    const resumed = createDeviceQueue({ ...driver.device, base: queue.base() });
    driver.expose(chain);
    resumed.complete(chains, 0, resumed.fetch(chains, 32));
    expect(resumed.callNeeded()).toBe(true);
  });

  it('says how much waits', () => {
    const { driver, queue, chains } = setUp(format);
    expect(queue.pending()).toBe(0);
    driver.expose(chain, chain, chain);
    expect(queue.pending()).toBe(format === 'split' ? 3 : 1);
    queue.fetch(chains, 32);
    expect(queue.pending()).toBe(0);
  });
});

describe('split', () => {
  it('can find its base in the used ring when a frontend says 0 for a ring in use', () => {
    const { driver, queue, chains, memory } = setUp('split');
    driver.expose(chain, chain, chain);
    queue.fetch(chains, 32);
    queue.complete(chains, 0, 2);
    const base = splitBaseFromUsedRing(memory, driver.addresses, driver.size, 0);
    const resumed = createDeviceQueue({ ...driver.device, base });
    expect([base, resumed.fetch(chains, 32)]).toEqual([2, 1]);
  });
});

describe('split', () => {
  it.each([
    ['a used index that was never cleared', { used: 28, avail: 0, said: 0 }],
    ['a used index ahead of the available one', { used: 6, avail: 5, said: 5 }],
    ['more buffers outstanding than it has', { used: 0, avail: 9, said: 3 }],
  ])('believes the frontend where the ring cannot have been in use: %s', (_, { used, avail, said }) => {
    const { driver, memory } = setUp('split');
    const { u16 } = memory.windows[0].region;
    u16[driver.addresses.device.offset / 2 + 1] = used;
    u16[driver.addresses.driver.offset / 2 + 1] = avail;
    const base = splitBaseFromUsedRing(memory, driver.addresses, driver.size, said);
    expect([base, createDeviceQueue({ ...driver.device, base }).base()]).toEqual([said, said]);
  });

  it('believes its ring where what the frontend says cannot be either', () => {
    const { driver, memory } = setUp('split');
    memory.windows[0].region.u16[driver.addresses.device.offset / 2 + 1] = 28;
    expect(splitBaseFromUsedRing(memory, driver.addresses, driver.size, 3)).toBe(28);
  });
});

describe('packed', () => {
  it('gives its base as both positions with their wrap counters, used in the upper half', () => {
    const { driver, queue, chains } = setUp('packed', { size: 3 });
    driver.expose(chain, chain, chain);
    queue.fetch(chains, 32);
    queue.complete(chains, 0, 2);
    expect(queue.base()).toBe(0x8002_0000);
  });

  it('refuses a base outside the ring', () => {
    const { driver } = setUp('packed', { size: 3 });
    expect(() => createDeviceQueue({ ...driver.device, base: 0x8000_8003 })).toThrow(/outside a ring of 3/);
  });
});

describe('createDeviceQueue', () => {
  it.each([
    ['split', 0],
    ['split', 12],
    ['split', 65536],
    ['packed', 0],
    ['packed', 32769],
  ] as const)('refuses a %s ring of %i', (format, size) => {
    const { driver } = setUp(format);
    expect(() => createDeviceQueue({ ...driver.device, size })).toThrow(/cannot have/);
  });

  it.each(formats)('refuses %s parts that leave their window', (format) => {
    const { driver } = setUp(format);
    const device = { window: 0, offset: 0x1_0000 };
    expect(() => createDeviceQueue({ ...driver.device, addresses: { ...driver.addresses, device } })).toThrow(
      /does not lie in/,
    );
  });

  it.each(formats)('refuses %s parts in no window', (format) => {
    const { driver } = setUp(format);
    const device = { window: 1, offset: 0 };
    expect(() => createDeviceQueue({ ...driver.device, addresses: { ...driver.addresses, device } })).toThrow(
      /does not lie in/,
    );
  });

  it.each([
    ['split', 'descriptors', 8],
    ['split', 'driver', 1],
    ['split', 'device', 2],
    ['packed', 'descriptors', 8],
    ['packed', 'driver', 2],
    ['packed', 'device', 2],
  ] as const)('refuses %s %s off by %i bytes', (format, part, off) => {
    const { driver } = setUp(format);
    const addresses = { ...driver.addresses, [part]: { window: 0, offset: 0x4000 + off } };
    expect(() => createDeviceQueue({ ...driver.device, addresses })).toThrow(/not aligned/);
  });
});

describe('a base that no device can have is refused', () => {
  const packed = (nextWrap: number, next: number, doneWrap: number, done: number): number =>
    ((doneWrap << 31) | (done << 16) | (nextWrap << 15) | next) >>> 0;

  it.each([
    ['used ahead of fetched', packed(1, 2, 1, 3)],
    ['used a lap behind, and more', packed(0, 3, 1, 2)],
    ['both at the start, a lap and more apart', packed(0, 1, 1, 0)],
    ['fetched outside of the ring', packed(1, 8, 1, 0)],
    ['used outside of the ring', packed(1, 0, 1, 8)],
  ])('packed: %s', (_, base) => {
    expect(() => setUp('packed', { device: { base } })).toThrow(
      expect.objectContaining({ code: 'VIO_RING_BASE' }),
    );
  });

  it.each([9, 0xffff])('split: %i buffers ahead of used.idx', (base) => {
    expect(() => setUp('split', { device: { base } })).toThrow(
      expect.objectContaining({ code: 'VIO_RING_BASE' }),
    );
  });
});

describe.each(formats)('%s: what a predecessor had in flight', (format) => {
  it.each([0, 3, 8])('is not available again: %i of 8', (inFlight) => {
    const { driver, queue, chains } = setUp(format);
    driver.expose(...Array.from({ length: 8 }, () => chain));
    queue.fetch(chains, inFlight);
    const resumed = createDeviceQueue({ ...driver.device, base: queue.base() });
    expect([resumed.fetch(chains, 32), resumed.broken]).toEqual([8 - inFlight, undefined]);
  });

  it('leaves that much less room in the ring', () => {
    const { driver, queue, chains, memory } = setUp(format);
    driver.expose(...Array.from({ length: 8 }, () => chain));
    queue.fetch(chains, 3);
    const resumed = createDeviceQueue({ ...driver.device, base: queue.base() });
    resumed.fetch(chains, 5);
    if (format === 'split') driver.setAvailIndex(9);
    else memory.windows[0].region.i32[3] ^= 0x8080_0000;
    resumed.fetch(chains, 1);
    expect(resumed.broken?.code).toBe('AVAIL_INDEX_JUMPED');
  });
});
