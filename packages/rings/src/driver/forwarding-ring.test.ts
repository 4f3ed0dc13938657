import { describe, expect, it } from 'vitest';
import { ChainBurst } from '../device/chain-burst.ts';
import { createDeviceQueue } from '../device/create-device-queue.ts';
import { MemoryMap } from '../memory/memory-map.ts';
import { Region } from '../memory/region.ts';
import { formats, setUp } from '../test-support/device-setup.ts';
import { ForwardingRing } from './forwarding-ring.ts';

const size = 8;
const ringAt = 0x10_0000;

/** A driver's ring, whose chains are handed on to a device by a ring of our own. */
function setUpForwarding(format: (typeof formats)[number]) {
  const { driver, queue } = setUp(format, { size });
  const { memory } = driver.device;
  const region = new Region(new ArrayBuffer(8192));
  const ring = new ForwardingRing(region, 0, size);
  const own = { region, guestAddress: ringAt, userAddress: ringAt, size: region.size };
  const seen = new MemoryMap([...memory.windows, own]);
  const window = seen.windows.findIndex((each) => each.region === region);
  const place = (offset: number) => ({ window, offset });
  const device = createDeviceQueue({
    memory: seen,
    addresses: {
      descriptors: place(ring.addresses.descriptors),
      driver: place(ring.addresses.driver),
      device: place(ring.addresses.device),
    },
    size,
    features: { format: 'split', inOrder: false, indirect: false, eventIdx: false },
    base: 0,
  });
  return { driver, queue, memory, ring, region, device, seen };
}

describe.each(formats)('chains of a %s ring, handed on to a device', (format) => {
  it('are at the addresses of their driver, and come back by their tokens, in whatever order', () => {
    const { driver, queue, memory, ring, device } = setUpForwarding(format);
    const address = driver.memory.put(new Uint8Array(64));
    driver.expose(
      [{ address, length: 10 }],
      [
        { address: address + 10, length: 4 },
        { address: address + 20, length: 8, writable: true },
      ],
    );
    const chains = new ChainBurst(8);
    expect(queue.fetch(chains, 8)).toBe(2);
    for (const [i, token] of [7, 9].entries()) expect(ring.forward(memory, chains, i, token)).toBe(true);
    expect([ring.publish(), ring.publish(), ring.free]).toEqual([true, false, size - 3]);

    const seen = new ChainBurst(8);
    expect(device.fetch(seen, 8)).toBe(2);
    expect([seen.readableBytes[0], seen.readableBytes[1], seen.writableBytes[1]]).toEqual([10, 4, 8]);
    seen.written[1] = 5;
    device.complete(seen, 1, 1);
    device.complete(seen, 0, 1);
    const taken = [];
    while (ring.take()) taken.push([ring.token, ring.written]);
    expect(taken).toEqual([
      [9, 5],
      [7, 0],
    ]);
    expect([ring.free, ring.broken]).toEqual([size, false]);
  });

  it('wait for room, many times around', () => {
    const { driver, queue, memory, ring, device } = setUpForwarding(format);
    const chains = new ChainBurst(8);
    const seen = new ChainBurst(8);
    const address = driver.memory.put(new Uint8Array(64));
    for (let round = 0; round < 40; round++) {
      const pair = [
        { address, length: 1 },
        { address, length: 1 },
      ];
      driver.expose(pair, pair, pair);
      expect(queue.fetch(chains, 8)).toBe(3);
      const room = [0, 1, 2].map((i) => ring.forward(memory, chains, i, i));
      expect(room).toEqual([true, true, true]);
      ring.publish();
      expect(device.fetch(seen, 8)).toBe(3);
      expect(ring.forward(memory, chains, 0, 0)).toBe(true);
      expect(ring.forward(memory, chains, 1, 1)).toBe(false);
      ring.publish();
      device.complete(seen, 0, 3);
      expect(device.fetch(seen, 8)).toBe(1);
      device.complete(seen, 0, 1);
      let count = 0;
      while (ring.take()) count++;
      expect([count, ring.free]).toEqual([4, size]);
      queue.complete(chains, 0, 3);
      driver.used();
    }
    expect(device.broken).toBeUndefined();
  });
});

describe('a device that uses nonsense', () => {
  it.each([
    ['a descriptor that there is not', 99],
    ['a chain that it was not given', 3],
  ])('breaks the ring: %s', (_, id) => {
    const { ring, region } = setUpForwarding('split');
    const view = new DataView(region.u8.buffer);
    view.setUint32(ring.addresses.device + 4, id, true);
    view.setUint16(ring.addresses.device + 2, 1, true);
    expect([ring.take(), ring.broken, ring.take()]).toEqual([false, true, false]);
  });

  it('cannot lead the ring astray by what it writes over descriptors', () => {
    const { driver, queue, memory, ring, region, device } = setUpForwarding('split');
    const address = driver.memory.put(new Uint8Array(64));
    const two = [
      { address, length: 1 },
      { address, length: 1 },
    ];
    driver.expose(two, two);
    const chains = new ChainBurst(8);
    queue.fetch(chains, 8);
    ring.forward(memory, chains, 0, 0);
    ring.forward(memory, chains, 1, 1);
    ring.publish();
    const seen = new ChainBurst(8);
    device.fetch(seen, 8);
    region.u8.fill(0xff, 0, 16 * size);
    device.complete(seen, 0, 2);
    while (ring.take());
    expect([ring.free, ring.broken]).toEqual([size, false]);
    expect(ring.forward(memory, chains, 0, 0)).toBe(true);
    expect(ring.free).toBe(size - 2);
  });
});
