import { setTimeout as sleep } from 'node:timers/promises';
import { VIRTIO_NET_F_MAC } from '@vio/net';
import { describe, expect, it } from 'vitest';
import { FakePciDevice } from '../test-support/fake-pci-device.ts';
import { openPort, setUp } from '../test-support/fake-port.ts';
import { openPciPort } from './open-pci-port.ts';

describe('the life of a device', () => {
  const statuses = (device: FakePciDevice) =>
    device.log
      .filter(({ space, at, write }) => space === 'bar4' && at === 0x14 && write)
      .map(({ value }) => value);

  it('goes through its steps in order, and ends in a reset', async () => {
    const { device, port } = await setUp();
    await port.close();
    expect(statuses(device)).toEqual([0, 1, 3, 11, 15, 0]);
    expect(device.closed).toBe(true);
    expect(device.memory.map(({ fd }) => fd)).toEqual([-1]);
  });

  it('is not notified before DRIVER_OK, and of its receive buffers after it', async () => {
    const device = new FakePciDevice();
    const seen: [number, number][] = [];
    device.onNotify = (queue) => seen.push([queue, device.status]);
    await openPort(device);
    expect(seen).toEqual([[0, 15]]);
  });

  it('is given up as FAILED when it refuses what it offered', async () => {
    const device = new FakePciDevice({ refusesFeatures: true });
    await expect(openPciPort(device)).rejects.toMatchObject({ code: 'VIO_FEATURES_REFUSED' });
    expect(device.status & 0x80).toBe(0x80);
    expect(device.closed).toBe(true);
  });

  it('without VERSION_1 on modern registers is refused', async () => {
    const device = new FakePciDevice({ features: VIRTIO_NET_F_MAC });
    await expect(openPciPort(device)).rejects.toMatchObject({ code: 'VIO_FEATURE_MISSING' });
    expect(device.closed).toBe(true);
  });

  it('without a transmit queue is refused', async () => {
    const device = new FakePciDevice({ queues: [256, 0] });
    await expect(openPciPort(device)).rejects.toMatchObject({ code: 'VIO_PCI_NO_QUEUE' });
  });

  it.each([
    ['asks for a reset', 0x4f, 'VIO_PCI_NEEDS_RESET'],
    ['answers with ones', 0xff, 'VIO_DEVICE_GONE'],
    ['answers with zeroes', 0, 'VIO_DEVICE_GONE'],
  ])('whose device %s takes the link down for good, by name', async (_, status, code) => {
    const { device, port } = await setUp();
    const down = new Promise((resolve) => port.once('link', resolve));
    device.status = status;
    device.interruptConfig();
    await expect(down).resolves.toMatchObject({ up: false, reason: { code } });
    await expect(port.send(new Uint8Array(60))).rejects.toMatchObject({ code: 'VIO_LINK_DOWN' });
    device.status = 15;
    device.interruptConfig();
    await sleep(10);
    expect(port.link.up).toBe(false);
  });

  it('is noticed by looking when the device does not interrupt any more', async () => {
    const { device, port } = await setUp({}, { watchInterval: 20 });
    const down = new Promise((resolve) => port.once('link', resolve));
    device.status = 0x4f;
    await expect(down).resolves.toMatchObject({ reason: { code: 'VIO_PCI_NEEDS_RESET' } });
  });
});

describe('a device that goes away', () => {
  it('is told by the link when the kernel asks for it', async () => {
    const { device, port } = await setUp();
    const down = new Promise((resolve) => port.once('link', resolve));
    device.askForRemoval();
    await expect(down).resolves.toMatchObject({ up: false, reason: { code: 'VIO_DEVICE_GONE' } });
  });

  it('is noticed by looking, although its registers still answer', async () => {
    const { device, port } = await setUp({}, { watchInterval: 20 });
    const down = new Promise((resolve) => port.once('link', resolve));
    device.config.view.setUint16(0, 0xffff, true);
    await expect(down).resolves.toMatchObject({ up: false, reason: { code: 'VIO_DEVICE_GONE' } });
  });

  it('does not throw into the loop that sends', async () => {
    const { device, port } = await setUp();
    const down = new Promise((resolve) => port.once('link', resolve));
    device.onNotify = () => {
      throw new Error('no device');
    };
    await port.send(new Uint8Array(60));
    await expect(down).resolves.toMatchObject({ up: false, reason: { code: 'VIO_DEVICE_GONE' } });
  });
});
