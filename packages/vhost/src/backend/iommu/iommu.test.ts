import { type SinglesKernel, singlesJob } from '@vio/native/internal';
import {
  type QueueFault,
  type RingFormat,
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';
import { coded, until } from '@vio/test-support';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { VHOST_USER_PROTOCOL_F_MQ, iotlbType, frontendRequests as requests } from '../../wire/index.ts';
import { Guest } from '../../test-support/guest.ts';
import { IommuPair } from '../../test-support/iommu-pair.ts';
import { headerBytes, packet, sendFrom, supply } from '../../test-support/packets.ts';
import { Pair } from '../../test-support/pair.ts';
import { VhostDriver } from '../driver/vhost-driver.ts';
import { BurstCopier } from '../packets/burst-copier.ts';

const page = 4096;
const formats: readonly RingFormat[] = ['split', 'packed'];
const features = (format: RingFormat): bigint =>
  VIRTIO_F_VERSION_1 | (format === 'packed' ? VIRTIO_F_RING_PACKED : 0n);

/** A driver whose rings run. */
async function running(format: RingFormat): Promise<IommuPair> {
  const pair = await IommuPair.start({ features: features(format), ring: { format } });
  await until(() => pair.pair.device.running);
  return pair;
}

/** What comes, burst by burst, until there is something. */
async function received(pair: IommuPair): Promise<Uint8Array[]> {
  let came: Uint8Array[] = [];
  await until(() => (came = pair.pair.receive()).length > 0);
  return came;
}

/** Counts the packets that kernels of rings which are made from now on move. */
function countKernelPackets() {
  const counted = { taken: 0, put: 0 };
  type Create = (this: BurstCopier) => SinglesKernel | undefined;
  const create = Reflect.get<object, string>(BurstCopier.prototype, 'singles') as Create;
  vi.spyOn(BurstCopier.prototype, 'singles').mockImplementation(function (this: BurstCopier) {
    const kernel = create.call(this);
    if (kernel === undefined) return undefined;
    const run = (): number => {
      const count = kernel.run();
      counted[kernel.job[singlesJob.writable] === 1 ? 'put' : 'taken'] += count;
      return count;
    };
    return { job: kernel.job, run };
  });
  return counted;
}

afterEach(() => vi.restoreAllMocks());

describe.each(formats)('%s: behind an I/O MMU', (format) => {
  it('a device runs once its rings are translated, each page asked for once', async () => {
    await using iommu = await running(format);
    await iommu.settled();
    const { asked } = iommu;
    expect(new Set(asked).size).toBe(asked.length);
    expect(iommu.pair.backend.events).toContain('newDevice 0');
    expect(iommu.pair.backend.refused).toEqual([]);
    expect(iommu.pair.device.translations).toMatchObject({ waiting: 0, misses: asked.length });
  });

  it('packets come and go, over borders of pages', async () => {
    await using iommu = await running(format);
    const { pair, guest } = iommu;
    const [rx, tx] = guest.rings;
    for (const [seed, bytes] of [60, 1500, 9000, 60].entries()) {
      sendFrom(tx, packet(bytes, seed));
      expect(await received(iommu)).toEqual([packet(bytes, seed)]);
      tx.used();
      const address = supply(rx, headerBytes + bytes);
      await until(() => pair.send(packet(bytes, seed)) === 1);
      expect(rx.used().map(({ length }) => length)).toEqual([headerBytes + bytes]);
      expect(rx.memory.read(address + headerBytes, bytes)).toEqual(packet(bytes, seed));
    }
    expect(pair.backend.broken).toEqual([]);
  });

  it('pages that are neighbours for the device need not be so for anybody else', async () => {
    await using iommu = await running(format);
    const [rx, tx] = iommu.guest.rings;
    const { userAddress } = iommu.guest.regions[1];
    const mine = new Uint8Array(2 * page);
    mine.set(packet(2 * page));
    // Two pages of the ring's memory, in the other order.
    for (const [i, at] of [0x4_1000, 0x4_0000].entries()) {
      iommu.map(0x5000_0000 + i * page, page, userAddress + at);
      for (let k = 0; k < page; k++) tx.memory.setU8(tx.memory.base + at + k, mine[i * page + k]);
    }
    tx.expose([{ address: 0x5000_0000 + 100, length: page }]);
    expect(await received(iommu)).toEqual([mine.subarray(100 + headerBytes, 100 + page)]);
    rx.expose([{ address: 0x5000_0000 + 100, length: page, writable: true }]);
    await until(() => iommu.pair.send(packet(page - headerBytes, 7)) === 1);
    const rest = page - 100 - headerBytes;
    const first = tx.memory.read(tx.memory.base + 0x4_1000 + 100 + headerBytes, rest);
    const second = tx.memory.read(tx.memory.base + 0x4_0000, 100);
    expect(Uint8Array.of(...first, ...second)).toEqual(packet(page - headerBytes, 7));
  });

  it('a buffer waits for its translation, is not consumed meanwhile, and nothing behind it overtakes', async () => {
    await using iommu = await running(format);
    const { pair, guest } = iommu;
    const tx = guest.rings[1];
    await iommu.settled();
    const far = iommu.base(1) + 0x4_0000;
    const held = iommu.pages.get(far);
    iommu.pages.delete(far);
    const frame = new Uint8Array(headerBytes + 60);
    frame.set(packet(60, 1), headerBytes);
    for (const [k, byte] of frame.entries()) tx.memory.setU8(far + k, byte);
    sendFrom(tx, packet(60));
    tx.expose([{ address: far, length: frame.length }]);
    sendFrom(tx, packet(60, 2));
    const came: Uint8Array[] = [];
    await until(() => came.push(...pair.receive()) === 1);
    await iommu.settled();
    const questions = iommu.asked.length;
    for (let i = 0; i < 10; i++) expect(pair.receive()).toEqual([]);
    await iommu.settled();
    expect([iommu.asked.length, iommu.asked.filter((each) => each === `miss ${far.toString(16)} 1`)]).toEqual(
      [questions, [`miss ${far.toString(16)} 1`]],
    );
    expect(tx.used().length).toBe(1);
    await iommu.say(iotlbType.update, far, page, held?.user ?? 0);
    await until(() => came.push(...pair.receive()) === 3);
    expect(came).toEqual([packet(60), packet(60, 1), packet(60, 2)]);
    expect(pair.backend.broken).toEqual([]);
  });

  it('a backend that sleeps does so until the translation comes', async () => {
    await using iommu = await running(format);
    const { pair, guest } = iommu;
    const tx = guest.rings[1];
    iommu.silent = true;
    const far = iommu.base(1) + 0x4_0000;
    tx.expose([{ address: far, length: 100 }]);
    expect(pair.receive()).toEqual([]);
    let awake = false;
    const sleeping = pair.device.untilPackets().then(() => (awake = true));
    await iommu.settled();
    expect(awake).toBe(false);
    await iommu.say(iotlbType.update, far, page, iommu.pages.get(far)?.user ?? 0);
    await sleeping;
    expect((await received(iommu)).length).toBe(1);
  });

  it('what is unmapped is not touched any more once that is acknowledged, and is when it is mapped again', async () => {
    await using iommu = await running(format);
    const { pair, guest } = iommu;
    const [rx, tx] = guest.rings;
    const [from, to] = [iommu.base(1) + 0x4_0000, iommu.base(0) + 0x4_0000];
    const send = (): void => void tx.expose([{ address: from, length: 100 }]);
    const give = (): void => void rx.expose([{ address: to, length: 2048, writable: true }]);
    send();
    expect((await received(iommu)).length).toBe(1);
    give();
    await until(() => pair.send(packet(60)) === 1);
    const pages = [from, to].map((at) => [at, iommu.pages.get(at)?.user ?? 0] as const);
    for (const [at] of pages) await iommu.unmap(at);
    rx.memory.setU8(to + headerBytes, 0xa5);
    send();
    give();
    for (let i = 0; i < 5; i++) {
      expect([pair.receive(), pair.send(packet(60, 9))]).toEqual([[], 0]);
      await iommu.settled();
    }
    expect([rx.memory.u8(to + headerBytes), tx.used().length, rx.used().length]).toEqual([0xa5, 1, 1]);
    for (const [at, user] of pages) await iommu.say(iotlbType.update, at, page, user);
    expect((await received(iommu)).length).toBe(1);
    await until(() => pair.send(packet(60, 9)) === 1);
    expect(rx.memory.read(to + headerBytes, 60)).toEqual(packet(60, 9));
  });

  it('the kernels in C++ work on the range used last, and on none of it once that is unmapped in part', async () => {
    const moved = countKernelPackets();
    await using iommu = await running(format);
    const { pair, guest } = iommu;
    const [rx, tx] = guest.rings;
    await iommu.settled();
    const bytes = 16 * page;
    const [from, to] = [iommu.base(1) + 0x4_0000, iommu.base(0) + 0x4_0000];
    const users = [from, to].map((at) => iommu.pages.get(at)?.user ?? 0);
    for (const [i, at] of [from, to].entries()) await iommu.say(iotlbType.update, at, bytes, users[i]);
    const send = (n: number): void => void tx.expose([{ address: from + n * page, length: 100 }]);
    const give = (n: number): void =>
      void rx.expose([{ address: to + n * page, length: headerBytes + 60, writable: true }]);
    for (let n = 0; n < 4; n++) {
      send(n);
      give(n);
      expect([pair.receive().length, pair.send(packet(60, n))]).toEqual([1, 1]);
      tx.used();
      rx.used();
      expect(rx.memory.read(to + n * page + headerBytes, 60)).toEqual(packet(60, n));
    }
    const before = { ...moved };
    expect([before.taken > 0, before.put > 0]).toEqual([true, true]);
    // One page of each range goes, and with it, for this side, all of it: the frontend is asked for what it still needs.
    iommu.silent = true;
    for (const at of [from, to]) await iommu.unmap(at + 5 * page);
    for (const n of [5, 6]) {
      send(n);
      give(n);
    }
    for (let i = 0; i < 5; i++) {
      expect([pair.receive(), pair.send(packet(60, 9))]).toEqual([[], 0]);
      await iommu.settled();
    }
    expect(moved).toEqual(before);
    for (const n of [5, 6]) {
      const untouched = rx.memory.read(to + n * page, headerBytes + 60);
      expect(untouched.every((byte) => byte === 0)).toBe(true);
    }
    expect([tx.used(), rx.used(), pair.backend.broken]).toEqual([[], [], []]);
  });

  it('a ring whose translation goes away stops without a word, and goes on where it was', async () => {
    await using iommu = await running(format);
    const { pair, guest } = iommu;
    await iommu.settled();
    const told = [...pair.backend.events];
    for (let round = 0; round < 3; round++) {
      await iommu.unmap(0, 2 ** 20);
      await iommu.say(iotlbType.invalidate, 0, 0, 0);
      for (const [i, region] of guest.regions.entries())
        iommu.map(iommu.base(i), region.size, region.userAddress);
      const tx = guest.rings[1];
      sendFrom(tx, packet(60, round));
      expect(await received(iommu)).toEqual([packet(60, round)]);
      tx.used();
    }
    expect(pair.backend.events).toEqual(told);
  });

  it('a ring that may not be written is broken, the frontend told, and it runs when that changes', async () => {
    const iommu = await IommuPair.start({ features: features(format), ring: { format }, silent: true });
    await using _ = iommu;
    const { pair, guest } = iommu;
    const [base, { userAddress }] = [iommu.base(0), guest.regions[0]];
    await until(() => iommu.asked.length > 0);
    await iommu.say(iotlbType.update, base, guest.regions[0].size, userAddress, 1);
    await until(() => pair.backend.broken.length > 0);
    expect(pair.backend.broken).toEqual([
      { queue: 0, fault: expect.objectContaining({ code: 'ADDRESS_UNMAPPED' }) as unknown },
    ]);
    await until(() => iommu.asked.some((each) => each.startsWith('fail')));
    iommu.silent = false;
    await iommu.say(iotlbType.update, base, guest.regions[0].size, userAddress, 3);
    await iommu.say(iotlbType.update, iommu.base(1), guest.regions[1].size, guest.regions[1].userAddress, 3);
    await until(() => pair.device.running);
    expect([pair.moves(guest, 3), pair.backend.broken.length]).toEqual([true, 1]);
  });

  it('a packet to memory that the device may only read is not written', async () => {
    await using iommu = await running(format);
    const { pair, guest } = iommu;
    const rx = guest.rings[0];
    const to = iommu.base(0) + 0x4_0000;
    iommu.map(to, page, iommu.pages.get(to)?.user ?? 0, 1);
    rx.expose([{ address: to, length: 2048, writable: true }]);
    await until(() => {
      pair.send(packet(60));
      return pair.backend.broken.length > 0;
    });
    expect(pair.backend.broken[0].fault.code).toBe('ADDRESS_UNMAPPED');
    expect(rx.memory.read(to, 100)).toEqual(new Uint8Array(100));
    await until(() => iommu.asked.at(-1) === `fail ${to.toString(16)} 2`);
  });

  it('an answer that leads outside the memory is refused, and nothing else changes', async () => {
    await using iommu = await running(format);
    const { pair, guest } = iommu;
    expect(await iommu.say(iotlbType.update, 0x5000_0000, page, 0x1234_5000)).toBe(1n);
    expect(pair.backend.refused.at(-1)).toMatchObject({ code: 'VIO_VHOST_IOTLB' });
    sendFrom(guest.rings[1], packet(60));
    expect(await received(iommu)).toEqual([packet(60)]);
  });

  it('a ring over pages that are no neighbours in its memory is broken, and runs when they are', async () => {
    const size = 512;
    await using iommu = await IommuPair.start({ features: features(format), ring: { format }, size });
    const { pair, guest } = iommu;
    await until(() => pair.device.running);
    const base = iommu.base(1);
    const [, { userAddress, size: bytes }] = guest.regions;
    await iommu.unmap(base + page);
    iommu.map(base + page, page, userAddress + bytes - page);
    await until(() => pair.backend.broken.length > 0);
    expect(pair.backend.broken).toEqual([
      {
        queue: 1,
        fault: expect.objectContaining({
          code: 'ADDRESS_UNMAPPED',
          detail: expect.stringContaining('in several pieces') as string,
        }) as QueueFault,
      },
    ]);
    await iommu.unmap(base + page);
    iommu.map(base + page, page, userAddress + page);
    await until(() => pair.device.vringInfo(1)?.running === true);
    sendFrom(guest.rings[1], packet(60, 9));
    expect(await received(iommu)).toEqual([packet(60, 9)]);
  });

  it('a ring can be looked at', async () => {
    await using iommu = await running(format);
    sendFrom(iommu.guest.rings[1], packet(60));
    expect(iommu.pair.device.dumpRing(1)).toMatchObject({ format, size: 8 });
  });
});

describe('support of an I/O MMU', () => {
  it('is not offered unless asked for, and its messages are refused', async () => {
    await using pair = await Pair.start();
    expect(await pair.frontend.ask(requests.GET_FEATURES, undefined)).toSatisfy(
      (offered: bigint) => (offered & VIRTIO_F_ACCESS_PLATFORM) === 0n,
    );
    const message = { iova: 0n, size: 4096n, userAddress: 0n, permissions: 3, type: iotlbType.update };
    expect(await pair.frontend.acknowledged(requests.IOTLB_MSG, message)).toBe(1n);
    expect(pair.backend.refused).toEqual([expect.objectContaining({ code: 'VIO_VHOST_NOT_NEGOTIATED' })]);
  });

  it('leaves guest addresses to a driver that does not take ACCESS_PLATFORM', async () => {
    using guest = new Guest();
    await using pair = await Pair.start({ guest, flags: { iommuSupport: true } });
    expect(pair.moves(guest, 1)).toBe(true);
  });

  it('is not offered without what translations are asked for by', async () => {
    await using driver = VhostDriver.register('/tmp/vio-test-iommu.sock', { iommuSupport: true });
    driver.setProtocolFeatures(VHOST_USER_PROTOCOL_F_MQ);
    await expect(driver.start()).rejects.toThrow(coded('VIO_OPTION_CONFLICT'));
  });

  it('is for network cards', () => {
    const type = { name: 'entropy', id: 4, queues: 1, features: VIRTIO_F_VERSION_1 };
    expect(() => VhostDriver.register('/tmp/vio-test.sock', { iommuSupport: true, type })).toThrow(
      coded('VIO_OPTION_CONFLICT'),
    );
  });
});
