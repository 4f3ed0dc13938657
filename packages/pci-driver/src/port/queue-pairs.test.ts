import {
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_VLAN,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_GUEST_ANNOUNCE,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_STATUS,
} from '@vio/net';
import { headerSize, rarpFrame } from '@vio/net/internal';
import { VIRTIO_F_ANY_LAYOUT, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { FakeControl } from '../test-support/fake-control.ts';
import { FakePciDevice } from '../test-support/fake-pci-device.ts';
import { dmaAddress, openPort } from '../test-support/fake-port.ts';
import { FakeWire } from '../test-support/fake-wire.ts';
import { openPciPort } from './open-pci-port.ts';

describe('the control queue', () => {
  const control = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_VLAN;

  it.each([
    ['split', 0n],
    ['packed', VIRTIO_F_RING_PACKED],
  ])('of a %s device takes commands', async (_, format) => {
    const device = new FakePciDevice({ dmaAddress, features: control | format, queues: [256, 256, 64] });
    const fake = new FakeControl(device, 2);
    const port = await openPort(device);
    await port.control.setPromiscuous(true);
    await port.control.addVlan(7);
    expect(fake.told).toEqual([
      { kind: 'rx-mode', mode: 'promiscuous', on: true },
      { kind: 'vlan-add', id: 7 },
    ]);
    await expect(port.control.setMac('02:00:00:00:00:01')).rejects.toMatchObject({
      code: 'VIO_CONTROL_UNSUPPORTED',
    });
  });

  it('of a legacy device has the size the device says', async () => {
    const features = VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_F_ANY_LAYOUT;
    const device = new FakePciDevice({ dmaAddress, legacy: true, features, queues: [256, 256, 64] });
    const fake = new FakeControl(device, 2);
    const port = await openPort(device);
    await port.control.setAllMulticast(false);
    expect(fake.told).toEqual([{ kind: 'rx-mode', mode: 'allMulticast', on: false }]);
  });

  it('is missed by name when the device offers it and has none', async () => {
    const device = new FakePciDevice({ features: control });
    await expect(openPciPort(device)).rejects.toMatchObject({ code: 'VIO_PCI_NO_QUEUE' });
    expect(device.closed).toBe(true);
  });

  it('fails its commands when the device goes away', async () => {
    const device = new FakePciDevice({ dmaAddress, features: control, queues: [256, 256, 64] });
    const port = await openPort(device);
    const command = port.control.setPromiscuous(true);
    device.askForRemoval();
    await expect(command).rejects.toMatchObject({ code: 'VIO_CONTROL_CLOSED' });
  });

  it('acknowledges an announcement once the port has made itself known', async () => {
    const features = control | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_GUEST_ANNOUNCE | VIRTIO_NET_F_MAC;
    const device = new FakePciDevice({ dmaAddress, features, queues: [256, 256, 64] });
    const fake = new FakeControl(device, 2);
    const acknowledged = new Promise<void>((resolve) => {
      fake.answer = ({ kind }) => {
        if (kind === 'announce-ack') device.setConfigByte(6, 1);
        resolve();
        return true;
      };
    });
    const port = await openPort(device);
    const wire = new FakeWire(device, dmaAddress, headerSize(port.features));
    device.setConfigByte(6, 3);
    device.interruptConfig();
    await acknowledged;
    wire.collect();
    expect(wire.sent).toEqual([rarpFrame('02:00:00:00:00:07')]);
    expect(fake.told).toEqual([{ kind: 'announce-ack' }]);
  });
});

describe('several queue pairs', () => {
  const features = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_MQ;
  const config = [2, 0, 0, 0, 0, 7, 1, 0, 4, 0];
  const queues = [256, 256, 256, 256, 256, 256, 256, 256, 64];

  it('have a vector each, and are what the device is told to use', async () => {
    const device = new FakePciDevice({ dmaAddress, features, config, queues, vectors: 4 });
    const fake = new FakeControl(device, 8);
    const port = await openPort(device, { queues: 3 });
    expect(fake.told).toEqual([{ kind: 'queue-pairs', pairs: 3 }]);
    expect([port.rx.length, port.tx.length, port.interruptMode]).toEqual([3, 3, 'per-queue']);
    expect(device.queues.map(({ enabled }) => enabled)).toEqual([
      ...Array.from({ length: 6 }, () => true),
      false,
      false,
      true,
    ]);
    expect([0, 2, 4].map((queue) => device.queues[queue].vector)).toEqual([1, 2, 3]);
  });

  it.each([
    ['N + 1', 4, 'per-queue', 0],
    ['2N + 2', 8, 'per-queue', 0],
    ['fewer', 3, 'shared', 1],
  ])('with %s vectors: %i', async (_, vectors, mode, lines) => {
    const device = new FakePciDevice({ dmaAddress, features, config, queues, vectors });
    const fake = new FakeControl(device, 8);
    const log: string[] = [];
    const port = await openPort(device, { queues: 3, log: (line) => log.push(line) });
    expect([port.interruptMode, fake.told.length]).toEqual([mode, 1]);
    expect(log.filter((line) => /MSI-X vectors of 4 wished/.test(line))).toHaveLength(lines);
  });

  it.each([
    [5, features, 'VIO_QUEUE_COUNT'],
    [0, features, 'VIO_QUEUE_COUNT'],
    [2, features & ~VIRTIO_NET_F_MQ, 'VIO_FEATURE_MISSING'],
    [2, features & ~VIRTIO_NET_F_CTRL_VQ, 'VIO_FEATURE_MISSING'],
  ])('%i of them are refused where the device has not as many', async (pairs, offered, code) => {
    const device = new FakePciDevice({ features: offered, config, queues });
    await expect(openPciPort(device, { queues: pairs })).rejects.toMatchObject({ code });
    expect(device.closed).toBe(true);
  });

  it('end the port when the device refuses them', async () => {
    const device = new FakePciDevice({ dmaAddress, features, config, queues });
    new FakeControl(device, 8).answer = () => false;
    await expect(openPciPort(device, { queues: 2 })).rejects.toMatchObject({ code: 'VIO_CONTROL_REFUSED' });
    expect([device.status, device.closed]).toEqual([0, true]);
  });
});
