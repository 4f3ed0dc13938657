import { describe, expect, it } from 'vitest';
import { ChainBurst } from '../device/chain-burst.ts';
import { createDeviceQueue } from '../device/create-device-queue.ts';
import type { RingFeatures, RingFormat } from '../format.ts';
import { MemoryMap } from '../memory/memory-map.ts';
import { Region } from '../memory/region.ts';
import { createCommandQueue } from './command-queue.ts';
import { driverQueueBytes } from './create-driver-queue.ts';

/** What the device adds to offsets: over 4 GiB, so that both halves of an address count. */
const address = 0x12_3456_7000;
const bodyAt = 0x8000;

function setUp(format: RingFormat, size: number) {
  const features: RingFeatures = { format, inOrder: false, indirect: false, eventIdx: false };
  const region = new Region(new ArrayBuffer(0x10000));
  const queue = createCommandQueue({ region, offset: 4096, size, features, address });
  const memory = new MemoryMap([{ region, guestAddress: address, userAddress: 0, size: region.size }]);
  const at = (offset: number) => ({ window: 0, offset });
  const { descriptors, driver, device } = queue.addresses;
  const addresses = { descriptors: at(descriptors), driver: at(driver), device: at(device) };
  const peer = createDeviceQueue({ memory, addresses, size, features, base: queue.base });
  return { region, queue, peer, features };
}

/** Takes the one command, checks what is read, and answers with a byte. */
function answer({ region, peer }: ReturnType<typeof setUp>, byte: number): number[] {
  const chains = new ChainBurst(4, 64);
  expect(peer.fetch(chains, 4)).toBe(1);
  const { readable, firstSegment, offset, length, written } = chains;
  const read = Array.from({ length: readable[0] }, (_, i) => [
    ...region.u8.subarray(offset[i], offset[i] + length[i]),
  ]).flat();
  expect(firstSegment[1] - readable[0]).toBe(1);
  region.u8[offset[firstSegment[1] - 1]] = byte;
  written[0] = 1;
  peer.complete(chains, 0, 1);
  return read;
}

const parts = (data: number) => [
  { offset: bodyAt, length: 2, deviceWrites: false },
  ...(data === 0 ? [] : [{ offset: bodyAt + 2, length: data, deviceWrites: false }]),
  { offset: bodyAt + 64, length: 1, deviceWrites: true },
];

describe.each([
  ['split', 4],
  ['split', 64],
  ['packed', 3],
  ['packed', 5],
  ['packed', 64],
] as const)('a %s command queue of %i', (format, size) => {
  it('P4 (2.9): says where the next command goes', () => {
    const set = setUp(format, size);
    let slot = 0;
    let commands = 0;
    for (let i = 0; i < 5 * size; i++) {
      set.queue.submit(parts(2));
      slot += 3;
      commands++;
      const wrap = Math.floor(slot / size) % 2 === 0 ? 0x8000 : 0;
      const expected = format === 'split' ? commands : (slot % size) | wrap;
      expect(set.queue.nextAvailable()).toBe(expected);
      answer(set, 0);
      set.queue.poll();
      expect(set.queue.nextAvailable()).toBe(expected);
    }
  });

  it('carries commands of two and three pieces and their answers, many times round', () => {
    const set = setUp(format, size);
    for (let i = 0; i < 5 * size + 200; i++) {
      const data = i % 3 === 0 ? 0 : 2;
      set.region.u8.set([i & 0xff, 1, 2, 3], bodyAt);
      set.queue.submit(parts(data));
      expect(set.queue.poll()).toBe('waiting');
      expect(answer(set, i & 0x7f)).toEqual([i & 0xff, 1, 2, 3].slice(0, 2 + data));
      expect(set.queue.poll()).toBe('done');
      expect(set.region.u8[bodyAt + 64]).toBe(i & 0x7f);
    }
  });

  it('takes one command at a time', () => {
    const { queue } = setUp(format, size);
    queue.submit(parts(0));
    expect(() => queue.submit(parts(0))).toThrow(RangeError);
  });

  it('refuses a command that is longer than the ring', () => {
    const { queue } = setUp(format, size);
    const long = Array.from({ length: size + 1 }, () => parts(0)[0]);
    expect(() => queue.submit(long)).toThrow(RangeError);
    expect(queue.poll()).toBe('idle');
  });

  it('is broken by a device that has used a command before there was one', () => {
    const { queue, region } = setUp(format, size);
    const { descriptors, device } = queue.addresses;
    if (format === 'split') region.u16[device / 2 + 1] = 1;
    else region.u16[descriptors / 2 + 7] = 0x8080;
    queue.submit(parts(0));
    // In a packed ring the command takes the place of what the device has written.
    expect(queue.poll()).toBe(format === 'split' ? 'broken' : 'waiting');
  });

  it('asks for no interrupts', () => {
    const { peer, queue, ...set } = setUp(format, size);
    queue.submit(parts(0));
    answer({ peer, queue, ...set }, 0);
    expect(peer.callNeeded()).toBe(false);
  });
});

it('is broken when the device of a split ring used more than there was', () => {
  const { queue, region } = setUp('split', 4);
  queue.submit(parts(0));
  region.u16[queue.addresses.device / 2 + 1] = 2;
  expect(queue.poll()).toBe('broken');
});

it('needs the memory of any driver queue', () => {
  const { queue, features } = setUp('split', 64);
  expect(queue.addresses.device + 6 + 8 * 64).toBeLessThanOrEqual(4096 + driverQueueBytes(features, 64));
});
