import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  PacketBurst,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_GUEST_ANNOUNCE,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_STATUS,
} from '@vio/net';
import { rarpFrame } from '@vio/net/internal';
import { VIRTIO_F_EVENT_IDX } from '@vio/rings';
import { UncaughtErrors, privatePool } from '@vio/rings/testing';
import { type NetConfig, type VhostDevice, VhostDriver } from '@vio/vhost';
import { rejectionOf, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import type { OpenOptions } from './open-options.ts';
import { openVirtioUser } from '../open.ts';

const mac = '52:54:00:12:34:56';

/** A port on a backend of our own, which says this of itself. */
async function opened(config: NetConfig, features = 0n, options: OpenOptions = {}, devargs = '') {
  const directory = mkdtempSync(join(tmpdir(), 'vio-config-'));
  const path = join(directory, 'vhost.sock');
  const driver = VhostDriver.register(path);
  driver.setNetConfig(config);
  driver.enableFeatures(features);
  const devices: VhostDevice[] = [];
  driver.callbacks({ newDevice: (device) => devices.push(device) });
  await driver.start();
  const close = async (): Promise<void> => {
    await driver.close();
    rmSync(directory, { recursive: true });
  };
  try {
    const port = await openVirtioUser(`path=${path}${devargs}`, options);
    return {
      driver,
      port,
      device: devices[0],
      async [Symbol.asyncDispose]() {
        await port.close();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

describe('a backend that says something of itself', () => {
  it('gives the port its address', async () => {
    await using pair = await opened({ mac });
    expect(pair.port.mac).toBe(mac);
  });

  it('does not when the devargs have one', async () => {
    await using pair = await opened({ mac }, 0n, {}, ',mac=02:00:00:00:00:07');
    expect(pair.port.mac).toBe('02:00:00:00:00:07');
  });

  it('gives the port its MTU, by the feature', async () => {
    await using pair = await opened({ mtu: 1450 });
    expect([pair.port.rules.mtu, pair.device.features & VIRTIO_NET_F_MTU]).toEqual([1450, VIRTIO_NET_F_MTU]);
  });

  it.each([{ mtu: 1450 }, {}])('is told the MTU of a port that wants a smaller one (%o)', async (config) => {
    await using pair = await opened(config, 0n, { mtu: 1400 });
    // Without the feature nothing is said.
    expect(pair.device.mtu).toBe(config.mtu === undefined ? undefined : 1400);
  });

  it('refuses a port that wants a larger MTU', async () => {
    const error = await rejectionOf(opened({ mtu: 1450 }, 0n, { mtu: 1500 }));
    expect(error.code).toBe('VIO_MTU');
  });

  it('begins with its link down', async () => {
    await using pair = await opened({ linkUp: false });
    expect(pair.port.link).toEqual({ up: false });
  });

  it('takes the link of the port down and up again', async () => {
    await using pair = await opened({ linkUp: true });
    const links: boolean[] = [];
    pair.port.on('link', ({ up }) => links.push(up));
    for (const linkUp of [false, true]) {
      pair.driver.setNetConfig({ linkUp });
      await until(() => links.at(-1) === linkUp);
    }
    expect(links).toEqual([false, true]);
  });

  it('is followed although a handler throws', async () => {
    using uncaught = new UncaughtErrors();
    await using pair = await opened({ linkUp: true });
    const thrown = new Error('application');
    pair.port.on('link', () => {
      throw thrown;
    });
    for (const linkUp of [false, true, false]) {
      pair.driver.setNetConfig({ linkUp });
      await until(() => pair.port.link.up === linkUp);
      expect(pair.port.link.up).toBe(linkUp);
    }
    expect(await uncaught.all()).toEqual([thrown, thrown, thrown]);
  });

  it('is heard without STATUS, and the link stays up', async () => {
    await using pair = await opened({ mac });
    expect([pair.port.link.up, pair.device.features & VIRTIO_NET_F_STATUS]).toEqual([true, 0n]);
  });
});

describe('a backend that asks for an announcement', () => {
  it('gets a frame that says where the port is, and an acknowledgement', async () => {
    const features = VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_MAC_ADDR | VIRTIO_NET_F_GUEST_ANNOUNCE;
    await using pair = await opened({ mac, linkUp: true }, features, {}, ',cq=1');
    expect(pair.device.announce()).toBe(true);
    const pool = privatePool();
    const burst = new PacketBurst();
    await until(() => pair.device.dequeueBurst(1, pool, burst) > 0);
    expect(pool.region.u8.slice(burst.offset[0], burst.offset[0] + burst.length[0])).toEqual(rarpFrame(mac));
    await until(() => !pair.device.config.announcing);
    expect(pair.device.config.announcing).toBe(false);
  });

  it('gets them from a port that was stopped once it is started', async () => {
    const features = VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_MAC_ADDR | VIRTIO_NET_F_GUEST_ANNOUNCE;
    await using pair = await opened({ mac, linkUp: true }, features, {}, ',cq=1');
    await pair.port.stop();
    expect(pair.device.announce()).toBe(true);
    expect([pair.device.config.announcing, pair.port.announcements]).toEqual([true, 0]);
    await pair.port.start();
    // The device has its acknowledgement before the port has the device's answer to that.
    await until(() => !pair.device.config.announcing && pair.port.announcements > 0);
    expect([pair.device.config.announcing, pair.port.announcements]).toEqual([false, 1]);
  });
});

describe('EVENT_IDX', () => {
  it.each([
    [true, VIRTIO_F_EVENT_IDX],
    [false, 0n],
  ])('is used if asked for: %s', async (eventIdx, bit) => {
    await using pair = await opened({}, 0n, { eventIdx });
    expect(pair.device.features & VIRTIO_F_EVENT_IDX).toBe(bit);
  });

  it.each(['packed_vq=0', 'packed_vq=1'])('wakes a reader that sleeps (%s)', async (format) => {
    await using pair = await opened({}, 0n, { eventIdx: true }, `,${format}`);
    const pool = privatePool();
    const burst = new PacketBurst();
    for (let round = 1; round <= 3; round++) {
      const woken = pair.port.untilPackets();
      await new Promise((resolve) => setTimeout(resolve, 5));
      burst.allocate(pool, 4, 60);
      expect(pair.device.enqueueBurst(0, burst)).toBe(4);
      burst.release();
      await woken;
      const received = pair.port.burst();
      expect(pair.port.rx[0].receive(received)).toBe(4);
      received.release();
    }
  });
});
