import { EventFd, SharedMemory, VioError } from '@vio/native';
import { bufferAddress } from '@vio/native/internal';
import { VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ } from '@vio/net';
import { STATUS_DRIVER_OK, STATUS_NEEDS_RESET } from '@vio/net/internal';
import { MemoryMap, Region, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { holdings, holdingsLike, until } from '@vio/test-support';
import type { VdpaFrontend, VdpaRing } from '@vio/vhost';
import { describeVdpaCompliance } from '@vio/vhost/testing';
import { describe, expect, it } from 'vitest';
import { FakePciDevice, type FakeOptions } from '../test-support/fake-pci-device.ts';
import { VdpaEchoCard } from '../test-support/vdpa-echo-card.ts';
import { PciVdpaDevice, type PciVdpaDeviceOptions } from './pci-vdpa-device.ts';

const wait = { timeout: 1000 };
const base = 0x10_0000n;
const features = VIRTIO_F_VERSION_1 | (1n << 33n);

async function echo(options: FakeOptions = {}) {
  const card = new VdpaEchoCard(options);
  const device = await PciVdpaDevice.open(card);
  card.follow(device);
  return { device, end: () => card.askForRemoval(), close: () => device.close() };
}

const runner = { describe, it };
describeVdpaCompliance('a fake PCI card', () => echo(), runner);
describeVdpaCompliance('a fake PCI card with one vector', () => echo({ vectors: 1 }), runner);
describeVdpaCompliance('a fake PCI card with INTx', () => echo({ vectors: 0 }), runner);

/** A frontend of two rings, in memory of its own. */
class FakeFrontend implements VdpaFrontend, Disposable {
  readonly vid = 0;
  readonly features = VIRTIO_F_VERSION_1;
  readonly regions;
  readonly memory: MemoryMap;
  readonly rings: VdpaRing[];
  readonly calls = [EventFd.create(), EventFd.create()];
  readonly called = [0, 0];
  readonly listeners: (() => void)[] = [];
  readonly #shared = SharedMemory.create({ size: 0x10000, name: 'vio-test-guest' });

  constructor(guestAddress = base, callFd = true) {
    const { buffer } = this.#shared;
    this.regions = [{ guestAddress, size: 0x10000n, userAddress: bufferAddress(buffer) }];
    const region = new Region(buffer);
    this.memory = new MemoryMap([
      { region, guestAddress: Number(guestAddress), userAddress: 0, size: 0x10000 },
    ]);
    this.rings = [0, 1].map((index) => ({
      index,
      size: 64,
      base: 0,
      descriptors: guestAddress + BigInt(index) * 0x4000n,
      driver: guestAddress + BigInt(index) * 0x4000n + 0x1000n,
      device: guestAddress + BigInt(index) * 0x4000n + 0x2000n,
      enabled: true,
      kickFd: undefined,
      callFd: callFd ? this.calls[index].fd : undefined,
      direct: true,
      onKick: (listener) => {
        this.listeners.push(listener);
        return () => void this.listeners.splice(this.listeners.indexOf(listener), 1);
      },
      call: () => void this.called[index]++,
    }));
  }

  setVringBase(): void {}

  [Symbol.dispose](): void {
    this.#shared.close();
    for (const call of this.calls) call.close();
  }
}

async function opened(options: FakeOptions = {}, more: PciVdpaDeviceOptions = {}) {
  const card = new FakePciDevice({ features, translated: true, ...options });
  return { card, device: await PciVdpaDevice.open(card, more) };
}

describe('a card that works for a frontend', () => {
  it('is told where memory and rings are, after its features and before it starts', async () => {
    const { card, device } = await opened();
    using frontend = new FakeFrontend();
    await device.configure(frontend, wait);
    expect([...card.mapped]).toEqual([
      [base, { userAddress: frontend.regions[0].userAddress, bytes: 0x10000n }],
    ]);
    for (const [i, { descriptors, driver, device: used }] of frontend.rings.entries())
      expect(card.queues[i]).toMatchObject({
        enabled: true,
        size: 64,
        addresses: [descriptors, driver, used],
        vector: i + 1,
      });
    expect([card.status & STATUS_DRIVER_OK, card.driverFeatures]).toEqual([STATUS_DRIVER_OK, features]);
    expect(device.interruptMode).toBe('per-queue');
    await device.stop(frontend, wait);
    expect([card.status, card.mapped.size, card.vectorEvents, frontend.listeners]).toEqual([0, 0, [], []]);
    device.close();
    expect(card.closed).toBe(true);
  });

  it('calls drivers by their own descriptors, and others when those are replaced', async () => {
    const { card, device } = await opened();
    using frontend = new FakeFrontend();
    await device.configure(frontend, wait);
    for (const call of frontend.calls) call.drain();
    card.interruptQueue(0);
    expect(frontend.calls.map((call) => call.drain())).toEqual([true, false]);
    await device.setVringState(frontend, 0, false);
    card.interruptQueue(0);
    expect(frontend.calls[0].drain()).toBe(false);
    const before = frontend.called[0];
    await device.setVringState(frontend, 0, true);
    expect(frontend.called[0]).toBe(before + 1);
    card.interruptQueue(0);
    expect(frontend.calls[0].drain()).toBe(true);
    device.close();
  });

  it('calls drivers that have no descriptor by this process', async () => {
    const { card, device } = await opened();
    using frontend = new FakeFrontend(base, false);
    await device.configure(frontend, wait);
    const before = [...frontend.called];
    card.interruptQueue(1);
    await until(() => frontend.called[1] > before[1]);
    expect(frontend.called).toEqual([before[0], before[1] + 1]);
    await device.stop(frontend, wait);
    device.close();
  });

  it('is kicked when drivers kick, and once when it starts', async () => {
    const { card, device } = await opened();
    const notified: number[] = [];
    card.onNotify = (queue) => notified.push(queue);
    using frontend = new FakeFrontend();
    await device.configure(frontend, wait);
    expect(notified).toEqual([0, 1]);
    frontend.listeners[1]();
    expect(notified).toEqual([0, 1, 1]);
    device.close();
  });

  it('sees a ring that begins at address 0 elsewhere: there is none at 0', async () => {
    const { card, device } = await opened();
    using frontend = new FakeFrontend(0n);
    await device.configure(frontend, wait);
    const [ring] = card.queues[0].addresses;
    expect(ring).toBe(0x10000n);
    expect(card.mapped.get(ring)).toEqual({ userAddress: frontend.regions[0].userAddress, bytes: 4096n });
    expect(card.queues[0].addresses.slice(1)).toEqual([0x1000n, 0x2000n]);
    device.close();
  });

  it('tells of its configuration', async () => {
    const { card, device } = await opened({
      features: features | (1n << 5n) | (1n << 16n),
      config: [2, 0, 0, 0, 0, 7, 1, 0],
    });
    using frontend = new FakeFrontend();
    await device.configure(frontend, wait);
    let changes = 0;
    device.config.onChange(() => changes++);
    expect(device.config.space().slice(0, 8)).toEqual(Uint8Array.of(2, 0, 0, 0, 0, 7, 1, 0));
    card.setConfigByte(6, 0);
    card.interruptConfig();
    await until(() => changes > 0);
    expect(device.config.space()[6]).toBe(0);
    await device.stop(frontend, wait);
    device.close();
  });

  it('hands its doorbells out only where it is asked for, and where each queue has a page', async () => {
    for (const [doorbells, notifyMultiplier, expected] of [
      [true, 4096, { fd: 102, offset: 0x10_3000, size: 4096 }],
      [true, 4, undefined],
      [false, 4096, undefined],
    ] as const) {
      const { device } = await opened({ notifyMultiplier }, { doorbells });
      expect(device.notifyArea(0)).toEqual(expected);
      expect(device.vfio).toMatchObject({ groupFd: 101, deviceFd: 102 });
      device.close();
    }
  });

  it('offers one pair without a control queue', async () => {
    const config = [2, 0, 0, 0, 0, 7, 1, 0, 4, 0];
    const pairs = async (more: bigint) => {
      const { device } = await opened({ features: features | more, config });
      device.close();
      return [device.queueNum, (device.features & VIRTIO_NET_F_MQ) !== 0n];
    };
    expect(await pairs(VIRTIO_NET_F_MQ)).toEqual([1, false]);
    expect(await pairs(VIRTIO_NET_F_MQ | VIRTIO_NET_F_CTRL_VQ)).toEqual([4, true]);
  });
});

describe('what cannot be', () => {
  it.each<[string, FakeOptions, string]>([
    ['without an IOMMU', { translated: false }, 'VIO_VDPA_IOMMU'],
    ['with a card that may go past it', { features: VIRTIO_F_VERSION_1 }, 'VIO_FEATURE_MISSING'],
    ['with a legacy card', { legacy: true }, 'VIO_FEATURE_MISSING'],
  ])('is named, and the card given back: %s', async (_, options, code) => {
    const card = new FakePciDevice({ features, translated: true, ...options });
    await expect(PciVdpaDevice.open(card)).rejects.toMatchObject({ code });
    expect(card.closed).toBe(true);
  });

  it.each<[string, FakeOptions, string]>([
    ['a card that refuses its features', { refusesFeatures: true }, 'VIO_FEATURES_REFUSED'],
  ])('is named, and nothing is left of it: %s', async (_, options, code) => {
    const { card, device } = await opened(options);
    using frontend = new FakeFrontend();
    await expect(device.configure(frontend, wait)).rejects.toMatchObject({ code });
    expect([card.status, card.mapped.size, device.down]).toEqual([0, 0, undefined]);
    device.close();
  });

  it('is named where the IOMMU takes no memory', async () => {
    const { card, device } = await opened();
    using frontend = new FakeFrontend();
    const failure = new VioError('no more', { code: 'VIO_MEMORY_LOCK', remedy: 'raise it' });
    Object.assign(card.translated ?? {}, {
      map: () => {
        throw failure;
      },
    });
    await expect(device.configure(frontend, wait)).rejects.toBe(failure);
    expect(card.status).toBe(0);
    device.close();
  });
});

describe('a card that', () => {
  async function working(options: FakeOptions = {}) {
    const { card, device } = await opened(options, { watchInterval: 5 });
    const frontend = new FakeFrontend();
    await device.configure(frontend, wait);
    const reasons: VioError[] = [];
    device.onDown((reason) => reasons.push(reason));
    return { card, device, frontend, reasons };
  }

  it.each<[string, (card: FakePciDevice) => void]>([
    ['is asked back, or bound elsewhere', (card) => card.askForRemoval()],
    ['is pulled out', (card) => card.config.set(0, 2, 0xffff)],
    ['was reset by somebody else', (card) => void (card.status = 0)],
  ])('%s is gone, and closed when it has been stopped', async (_, action) => {
    const { card, device, frontend, reasons } = await working();
    const masters: number[] = [];
    const { mapped } = card;
    mapped.delete = (address) => {
      masters.push(card.config.view.getUint16(4, true) & 4);
      return Map.prototype.delete.call(mapped, address);
    };
    card.config.view.setUint16(4, 4, true);
    action(card);
    await until(() => reasons.length > 0);
    expect(reasons.map(({ code }) => code)).toEqual(['VIO_DEVICE_GONE']);
    expect(card.closed).toBe(false);
    await device.stop(frontend, wait);
    // What is still at work does not reach memory any more when that is taken away.
    expect(masters).toEqual([0]);
    expect([card.closed, card.mapped.size, device.down]).toEqual([true, 0, reasons[0]]);
    await expect(device.configure(frontend, wait)).rejects.toBe(reasons[0]);
    frontend[Symbol.dispose]();
  });

  it('asks for a reset tells so, and works for the next', async () => {
    const { card, device, frontend, reasons } = await working();
    card.status |= STATUS_NEEDS_RESET;
    await until(() => reasons.length > 0);
    expect(reasons.map(({ code }) => code)).toEqual(['VIO_PCI_NEEDS_RESET']);
    await device.stop(frontend, wait);
    await device.configure(frontend, wait);
    expect([device.down, card.status & STATUS_DRIVER_OK]).toEqual([undefined, STATUS_DRIVER_OK]);
    await device.stop(frontend, wait);
    device.close();
    frontend[Symbol.dispose]();
  });

  it('does not leave its reset is cut off from memory', async () => {
    const { card, device, frontend, reasons } = await working({ slowReset: 2 });
    Object.defineProperty(card, 'status', { get: () => 1, set: () => {} });
    await device.stop(frontend, { timeout: 20 });
    await until(() => reasons.length > 0);
    expect([reasons[0].code, card.closed, card.config.view.getUint16(4, true) & 4]).toEqual([
      'VIO_DEVICE_GONE',
      true,
      0,
    ]);
    frontend[Symbol.dispose]();
  });

  it('nobody works with is closed at once when it is asked back', async () => {
    const { card } = await opened();
    card.askForRemoval();
    expect(card.closed).toBe(true);
  });

  it('is opened and closed again and again leaves nothing behind', async () => {
    const round = async (): Promise<void> => {
      const { device, frontend } = await working();
      await device.stop(frontend, wait);
      await device.configure(frontend, wait);
      await device.stop(frontend, wait);
      device.close();
      frontend[Symbol.dispose]();
    };
    await round();
    const before = holdings();
    for (let i = 0; i < 5; i++) await round();
    expect(await holdingsLike(before)).toEqual(before);
  });
});
