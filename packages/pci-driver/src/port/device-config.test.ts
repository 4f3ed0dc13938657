import {
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_SPEED_DUPLEX,
  VIRTIO_NET_F_STATUS,
} from '@vio/net';
import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { FakePciDevice } from '../test-support/fake-pci-device.ts';
import { openPort, setUp } from '../test-support/fake-port.ts';
import { openPciPort } from './open-pci-port.ts';

describe('the configuration of a device', () => {
  const bytes = [2, 0, 0, 0, 0, 7, 1, 0, 0, 0, 0xdc, 0x05, 0x10, 0x27, 0, 0, 1];
  const features = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU | VIRTIO_NET_F_SPEED_DUPLEX;

  it('gives address, MTU, speed and duplex', async () => {
    const { port } = await setUp({ features, config: bytes });
    expect(port).toMatchObject({ mac: '02:00:00:00:00:07', mtu: 1500, speed: 10000, duplex: 'full' });
  });

  it('is not believed where no device may say so', async () => {
    const odd = [...bytes.slice(0, 12), 0xff, 0xff, 0xff, 0xfe, 7];
    const { port } = await setUp({ features, config: odd });
    expect(port).toMatchObject({ speed: undefined, duplex: 'unknown' });
  });

  it('is not read where the feature is not offered', async () => {
    const { port } = await setUp({ features: VIRTIO_F_VERSION_1, config: bytes });
    expect(port).toMatchObject({ mtu: undefined, speed: undefined });
    expect(port.mac).toMatch(/^.[26ae](:..){5}$/);
    expect(port.mac).not.toBe('02:00:00:00:00:07');
  });

  it.each([
    [9000, 0n],
    [1500, VIRTIO_NET_F_MTU],
  ])('an MTU of %i is accepted only if the buffers have room for it', async (mtu, accepted) => {
    const config = [...bytes.slice(0, 10), mtu & 255, mtu >> 8, ...bytes.slice(12)];
    const { port } = await setUp({ features, config });
    expect(port.features & VIRTIO_NET_F_MTU).toBe(accepted);
    const mergeable = await setUp({ features: features | VIRTIO_NET_F_MRG_RXBUF, config });
    expect(mergeable.port.features & VIRTIO_NET_F_MTU).toBe(VIRTIO_NET_F_MTU);
  });

  it('is read again when its generation changes in between', async () => {
    const device = new FakePciDevice({ features });
    let looks = 0;
    device.onConfigRead = () => {
      if (++looks !== 3) return;
      device.setConfigByte(5, 9);
      device.setConfigByte(0, 6);
      device.generation++;
    };
    const port = await openPort(device);
    expect(port.mac).toBe('06:00:00:00:00:09');
  });

  it('that changes at every look is given up', async () => {
    const device = new FakePciDevice({ features });
    device.onConfigRead = () => (device.generation = (device.generation + 1) & 0xff);
    await expect(openPciPort(device)).rejects.toMatchObject({ code: 'VIO_PCI_CONFIG_UNSTABLE' });
    expect(device.closed).toBe(true);
  });

  it('tells of the link: down, and up again', async () => {
    const { device, port } = await setUp({ features: features | VIRTIO_NET_F_STATUS });
    for (const up of [false, true]) {
      const change = new Promise((resolve) => port.once('link', resolve));
      device.setConfigByte(6, up ? 1 : 0);
      device.interruptConfig();
      await expect(change).resolves.toMatchObject({ up });
    }
  });
});

describe('a legacy device', () => {
  it('says nothing of an MTU', async () => {
    const { port } = await setUp({ legacy: true, features: VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU });
    expect([port.features & VIRTIO_NET_F_MTU, port.mtu]).toEqual([0n, undefined]);
  });
});
