import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventFd, SharedMemory } from '@vio/native';
import { VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VQ } from '@vio/net';
import { ChainBurst, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { holdings, holdingsLike, until } from '@vio/test-support';
import { afterEach, describe, expect, it } from 'vitest';
import { VHOST_F_LOG_ALL, VHOST_VRING_F_LOG, frontendRequests as requests } from '../../wire/index.ts';
import type { Guest } from '../../test-support/guest.ts';
import { packet, sendFrom, supply } from '../../test-support/packets.ts';
import { IommuPair } from '../../test-support/iommu-pair.ts';
import { Pair, type PairOptions } from '../../test-support/pair.ts';
import { handled } from '../../test-support/test-backend.ts';

const page = 4096;
const guestBase = 0x1_0000_0000;
/** A bit for every page of a guest of three rings, and some more. */
const logBytes = (guestBase + 0x20_0000) / page / 8;
const firstBit = guestBase / page;

const open: Disposable[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one[Symbol.dispose]();
});

/** A log that a frontend shares. */
class FrontendLog implements Disposable {
  readonly #memory = SharedMemory.create({ size: logBytes, name: 'vio-test-log', populate: false });

  constructor() {
    open.push(this);
  }

  get fd(): number {
    return this.#memory.fd;
  }

  /**
   * Pages that were marked since the last call, from the guest's memory on; as a frontend takes them. Those in front of it are where
   * drivers behind an I/O MMU see theirs.
   */
  take(): number[] {
    const u8 = new Uint8Array(this.#memory.buffer);
    const pages: number[] = [];
    for (let i = firstBit - 256; i < 8 * logBytes; i++)
      if ((Atomics.and(u8, i >> 3, ~(1 << (i & 7))) & (1 << (i & 7))) !== 0) pages.push(i - firstBit);
    return pages;
  }

  [Symbol.dispose](): void {
    this.#memory.close();
  }
}

/** Switches logging on as QEMU does it: the log, the feature, and where each ring is in it. */
async function begin({ frontend, guest }: Pair, log: FrontendLog, size = logBytes): Promise<void> {
  const answer = await frontend.ask(requests.SET_LOG_BASE, { size, offset: 0 }, { fds: [log.fd] });
  expect(answer).toEqual(new Uint8Array(0));
  await frontend.send(requests.SET_FEATURES, guest.features | VHOST_F_LOG_ALL);
  for (const [index] of guest.rings.entries())
    await frontend.send(requests.SET_VRING_ADDR, logged(guest, index));
  await handled(frontend);
}

async function end({ frontend, guest }: Pair): Promise<void> {
  await frontend.send(requests.SET_FEATURES, guest.features);
  for (const [index] of guest.rings.entries())
    await frontend.send(requests.SET_VRING_ADDR, guest.address(index));
  await handled(frontend);
}

const logged = (guest: Guest, index: number) => ({
  ...guest.address(index),
  flags: VHOST_VRING_F_LOG,
  log: guest.regions[index].guestAddress + guest.rings[index].addresses.device.offset,
});

const pageOf = (address: number): number => Math.floor((address - guestBase) / page);

const formats = [
  ['split', VIRTIO_F_VERSION_1],
  ['packed', VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED],
] as const;

describe.each(formats)('a guest with %s rings that is moved', (format, features) => {
  const start = (options: PairOptions = {}): Promise<Pair> =>
    Pair.start({ ...options, guest: { features, ring: { format }, ...(options.guest as object) } });

  it('finds in its log what is written while LOG_ALL is on, and nothing before and after', async () => {
    await using pair = await start();
    const log = new FrontendLog();
    const { guest } = pair;
    const [rx, tx] = guest.rings;
    const ringPage = (index: number): number => pageOf(guest.regions[index].guestAddress);
    expect(pair.moves(guest, 1)).toBe(true);
    await begin(pair, log);
    // The rings themselves, from before the log was known.
    expect(log.take()).toEqual([ringPage(0), ringPage(1)]);
    rx.memory.alloc(3 * page);
    const address = supply(rx, 5000);
    pair.send(packet(4500, 2));
    expect(log.take()).toEqual([ringPage(0), pageOf(address), pageOf(address) + 1]);
    expect(rx.used()).toEqual([expect.objectContaining({ length: 4512 })]);
    sendFrom(tx, packet(60, 3));
    expect(pair.receive()).toEqual([packet(60, 3)]);
    tx.used();
    expect(log.take()).toEqual([ringPage(1)]);
    await end(pair);
    expect(pair.moves(guest, 4)).toBe(true);
    expect(log.take()).toEqual([]);
    expect(pair.backend.broken).toEqual([]);
  });

  it('loses nothing when LOG_ALL goes on and off between its packets, and is told of it', async () => {
    await using pair = await start();
    const log = new FrontendLog();
    const { guest, backend } = pair;
    for (let i = 0; i < 10; i++) {
      const [rx, tx] = guest.rings;
      sendFrom(tx, packet(60, i));
      const address = supply(rx, 2048);
      await (i % 2 === 0 ? begin(pair, log) : end(pair));
      expect(pair.receive()).toEqual([packet(60, i)]);
      pair.send(packet(80, i));
      expect([tx.used().length, rx.used().length]).toEqual([1, 1]);
      expect(rx.memory.read(address + 12, 80)).toEqual(packet(80, i));
    }
    const told = backend.events.filter((event) => event.startsWith('featuresChanged'));
    expect(told).toHaveLength(11);
    expect(pair.device.running).toBe(true);
    expect(backend.events.filter((event) => event.startsWith('destroyDevice'))).toEqual([]);
  });

  it('is told its used ring where its frontend says that it is', async () => {
    await using pair = await start();
    const log = new FrontendLog();
    await begin(pair, log);
    const elsewhere = guestBase + 200 * page;
    await pair.frontend.send(requests.SET_VRING_ADDR, { ...logged(pair.guest, 0), log: elsewhere });
    await handled(pair.frontend);
    log.take();
    pair.device.enableGuestNotification(0, true);
    expect(log.take()).toContain(200);
    // It is written as before, besides.
    expect(pair.moves(pair.guest, 1)).toBe(true);
    expect(log.take()).toContain(0);
  });

  it('goes on in the log that takes the place of another', async () => {
    await using pair = await start();
    const logs = [new FrontendLog(), new FrontendLog()];
    await begin(pair, logs[0]);
    await begin(pair, logs[1]);
    logs[0].take();
    expect(pair.moves(pair.guest, 1)).toBe(true);
    expect([logs[0].take().length, logs[1].take().length > 0]).toEqual([0, true]);
  });

  it('has what the application writes by itself in its log as well', async () => {
    await using pair = await start();
    const log = new FrontendLog();
    const { device, guest } = pair;
    device.logWrite(guestBase + 60 * page, 1);
    device.logUsedVring(0, 0, 1);
    await begin(pair, log);
    log.take();
    device.logWrite(guestBase + 60 * page + 4095, 2);
    expect(log.take()).toEqual([60, 61]);
    device.logUsedVring(1, 4, 8);
    device.logUsedVring(7, 4, 8);
    expect(log.take()).toEqual([pageOf(guest.regions[1].guestAddress)]);
    expect(() => device.logWrite(-1, 8)).toThrow('8 bytes at -1');
    expect(() => device.logUsedVring(0, 0, Number.NaN)).toThrow(RangeError);
  });

  it('has the answers to its commands in its log', async () => {
    const control = VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX;
    await using pair = await start({
      guest: { rings: 3, features: features | control, ring: { format } },
      offer: (driver) => {
        driver.enableFeatures(control);
        driver.setQueueNum(1);
      },
    });
    const log = new FrontendLog();
    await begin(pair, log);
    log.take();
    const ring = pair.guest.rings[2];
    ring.memory.alloc(4 * page);
    const answer = ring.memory.alloc(page);
    ring.expose([
      { address: ring.memory.put(Uint8Array.of(0, 0, 1)), length: 3 },
      { address: answer, length: 1, writable: true },
    ]);
    pair.guest.kicks[2].signal();
    await until(() => ring.used().length > 0);
    expect(log.take()).toEqual(
      expect.arrayContaining([pageOf(pair.guest.regions[2].guestAddress), pageOf(answer)]),
    );
  });

  it('keeps the requests that an application works on, and has their answers in its log', async () => {
    await using pair = await Pair.start({
      flags: { type: { name: 'thing', id: 42, queues: 1, features } },
      guest: { rings: 1, features, ring: { format } },
    });
    const log = new FrontendLog();
    const driver = pair.guest.rings[0];
    const rooms = [0, 1].map(() => {
      driver.memory.alloc(2 * page);
      const room = driver.memory.alloc(3 * page);
      driver.expose([{ address: room, length: 3 * page, writable: true }]);
      return room;
    });
    const ring = pair.device.rawVring(0);
    const bursts = [new ChainBurst(1), new ChainBurst(1)];
    for (const burst of bursts) expect(ring?.fetch(burst)).toBe(1);
    await begin(pair, log);
    log.take();
    // The later one first, and nobody says how much of it was written.
    for (const [i, burst] of bursts.entries()) ring?.bytes.write(burst, 0, page * i, packet(page, i));
    bursts[1].written[0] = 1;
    ring?.complete(bursts[1]);
    const first = pageOf(rooms[1]);
    expect(log.take()).toEqual(expect.arrayContaining([first, first + 1, first + 2]));
    ring?.complete(bursts[0]);
    expect(log.take()).toContain(pageOf(rooms[0]));
    expect(driver.used()).toHaveLength(2);
  });

  it('has one who wants to know signalled when something was marked', async () => {
    await using pair = await start();
    using event = EventFd.create();
    await begin(pair, new FrontendLog());
    await pair.frontend.send(requests.SET_LOG_FD, new Uint8Array(8), { fds: [event.fd] });
    await handled(pair.frontend);
    expect(event.drain()).toBe(false);
    expect(pair.moves(pair.guest, 1)).toBe(true);
    expect(event.drain()).toBe(true);
  });
});

describe.each(formats)('a guest with %s rings behind an I/O MMU that is moved', (format, features) => {
  it('finds guest-physical pages in its log, whatever I/O addresses its driver and its frontend say', async () => {
    await using iommu = await IommuPair.start({ features, ring: { format } });
    const { pair, guest } = iommu;
    const { frontend, device } = pair;
    const [rx, tx] = guest.rings;
    await iommu.settled();
    const log = new FrontendLog();
    await frontend.ask(requests.SET_LOG_BASE, { size: logBytes, offset: 0 }, { fds: [log.fd] });
    await frontend.send(requests.SET_FEATURES, guest.features | VHOST_F_LOG_ALL);
    for (const [index] of guest.rings.entries()) {
      const addresses = guest.address(index);
      await frontend.send(requests.SET_VRING_ADDR, {
        ...addresses,
        flags: VHOST_VRING_F_LOG,
        log: addresses.device,
      });
    }
    await handled(frontend);
    const ringPage = (index: number): number => pageOf(guest.regions[index].guestAddress);
    expect(log.take()).toEqual([ringPage(0), ringPage(1)]);
    rx.memory.alloc(3 * page);
    const address = supply(rx, 5000);
    // A page of the driver's is somewhere else than its neighbour.
    const [region] = guest.regions;
    const second = Math.floor((address + page) / page) * page;
    iommu.map(second, page, region.userAddress + 100 * page);
    pair.send(packet(4500, 2));
    await iommu.settled();
    if (rx.used().length === 0) pair.send(packet(4500, 2));
    const first = ringPage(0) + Math.floor((address - iommu.base(0)) / page);
    expect(log.take()).toEqual([ringPage(0), first, 100]);
    sendFrom(tx, packet(60, 3));
    pair.receive();
    await iommu.settled();
    pair.receive();
    expect(tx.used()).toHaveLength(1);
    expect(log.take()).toEqual([ringPage(1)]);
    device.enableGuestNotification(1, true);
    expect(log.take()).toEqual([ringPage(1)]);
    expect([pair.backend.broken, pair.backend.ended]).toEqual([[], []]);
  });
});

describe('a log that makes no sense', () => {
  const refused = async (size: number, offset: number, bytes = logBytes) => {
    await using pair = await Pair.start();
    await using other = await Pair.start();
    const before = holdings();
    const memory = SharedMemory.create({ size: bytes, name: 'vio-test-log' });
    await pair.frontend.send(requests.SET_LOG_BASE, { size, offset }, { fds: [memory.fd] });
    await until(() => pair.backend.ended.length > 0);
    memory.close();
    // Its own descriptors are closed as well.
    await until(() => holdings().fds < before.fds);
    return {
      code: pair.backend.ended[0].code,
      leaked: Math.max(0, holdings().fds - before.fds),
      others: other.moves(other.guest, 1),
    };
  };
  const ended = { code: 'VIO_VHOST_LOG', leaked: 0, others: true };

  it.each([
    ['is larger than its file', 2 * logBytes, 0],
    ['begins behind the end of its file', page, 2 * logBytes],
    ['begins in the middle of a word', page, 4],
    ['is larger than any guest needs', 2 ** 40, 0],
  ])('%s: the connection ends, others go on', async (_, size, offset) => {
    expect(await refused(size, offset)).toEqual(ended);
  });

  it.each(formats)(
    'is too small for what is written (%s): the connection ends, nothing is written beside it',
    async (format, features) => {
      await using pair = await Pair.start({ guest: { features, ring: { format } } });
      const log = new FrontendLog();
      await begin(pair, log, firstBit / 8);
      await until(() => pair.backend.ended.length > 0);
      expect(pair.backend.ended[0]).toMatchObject({
        code: 'VIO_VHOST_LOG',
        message: expect.stringContaining('no bit for a page') as string,
      });
      expect(log.take()).toEqual([]);
    },
  );

  it('ends in front of a buffer: the connection ends with the burst that wrote there, which was delivered', async () => {
    await using pair = await Pair.start();
    const log = new FrontendLog();
    const [rx] = pair.guest.rings;
    // In the memory of ring 1, of which the log has only the first pages.
    const address = guestBase + 140 * page;
    rx.expose([{ address, length: 2048, writable: true }]);
    await pair.frontend.ask(
      requests.SET_LOG_BASE,
      { size: (firstBit + 136) / 8, offset: 0 },
      { fds: [log.fd] },
    );
    await pair.frontend.send(requests.SET_FEATURES, pair.guest.features | VHOST_F_LOG_ALL);
    await handled(pair.frontend);
    expect(pair.backend.ended).toEqual([]);
    pair.send(packet(60, 1));
    expect(rx.used()).toHaveLength(1);
    expect(pair.guest.rings[1].memory.read(address + 12, 60)).toEqual(packet(60, 1));
    await until(() => pair.backend.ended.length > 0);
    expect(pair.backend.ended[0].code).toBe('VIO_VHOST_LOG');
  });

  it('is truncated while packets move: the connection ends, the process lives', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'vio-log-'));
    const fd = openSync(join(directory, 'log'), 'w+');
    ftruncateSync(fd, logBytes);
    await using pair = await Pair.start();
    await pair.frontend.ask(requests.SET_LOG_BASE, { size: logBytes, offset: 0 }, { fds: [fd] });
    await pair.frontend.send(requests.SET_FEATURES, pair.guest.features | VHOST_F_LOG_ALL);
    await handled(pair.frontend);
    ftruncateSync(fd, 0);
    closeSync(fd);
    rmSync(directory, { recursive: true });
    for (let i = 0; i < 200 && pair.backend.ended.length === 0; i++) {
      pair.moves(pair.guest, i);
      await Promise.resolve();
    }
    await until(() => pair.backend.ended.length > 0);
    expect(pair.backend.ended[0].code).toBe('VIO_VHOST_LOG');
  });

  it('comes hundreds of times, switched on and off: nothing is left of any', async () => {
    await using pair = await Pair.start();
    const log = new FrontendLog();
    await begin(pair, log);
    const before = holdings();
    for (let i = 0; i < 400; i++) {
      await pair.frontend.ask(requests.SET_LOG_BASE, { size: logBytes, offset: 0 }, { fds: [log.fd] });
      const features = i % 2 === 0 ? 0n : VHOST_F_LOG_ALL;
      await pair.frontend.send(requests.SET_FEATURES, pair.guest.features | features);
    }
    expect(pair.backend.ended).toEqual([]);
    const after = await holdingsLike(before);
    expect(after.fds).toBe(before.fds);
    expect(pair.moves(pair.guest, 1)).toBe(true);
  });
});
