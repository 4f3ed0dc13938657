// A guest that is moved while a vDPA device works for it, which marks what it writes by itself, or tells the network of its arrival.
import { until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { LoopbackVdpa } from '../../testing/index.ts';
import { handled } from '../../test-support/test-backend.ts';
import { echo, moved, packed, setUpVdpa, split } from '../../test-support/vdpa-setup.ts';
import {
  VHOST_F_LOG_ALL,
  VHOST_USER_PROTOCOL_F_RARP,
  frontendRequests as requests,
} from '../../wire/index.ts';
import type { VdpaFrontend } from './vdpa-device.ts';

/** One that says it marks, and notes down when it is to. */
class MarkingLoopback extends LoopbackVdpa {
  setFeatures(_frontend: VdpaFrontend, features: bigint): Promise<void> {
    this.told.push((features & VHOST_F_LOG_ALL) === 0n ? 'marks no more' : 'marks');
    return Promise.resolve();
  }
}

/** One that tells the network where a guest is. */
class AnnouncingLoopback extends LoopbackVdpa {
  onArrival: () => void = () => {};

  migrationDone(frontend: VdpaFrontend, mac: string): Promise<void> {
    this.onArrival();
    this.told.push(`${frontend.vid} has arrived: ${mac}`);
    return Promise.resolve();
  }
}

describe.each([
  ['split', split],
  ['packed', packed],
])('a device that marks by itself, %s', (format, options) => {
  it("is told when it is to, and works on the driver's own rings all the while", async () => {
    const device = new MarkingLoopback();
    await using all = await setUpVdpa({}, options, device);
    await echo(all);
    using marks = await moved(all);
    const address = await echo(all);
    await all.frontend.send(requests.SET_FEATURES, all.guest.features);
    await handled(all.frontend);
    await echo(all);
    const { vid } = all.backend.device;
    expect(device.told).toEqual([`configure ${vid} direct ${format}`, 'marks', 'marks no more']);
    expect(marks.marked(address)).toBe(false);
  });

  it('is told as soon as it begins, when its guest is moved already', async () => {
    const device = new MarkingLoopback();
    await using all = await setUpVdpa({}, options, device);
    using _ = await moved(all);
    device.told.length = 0;
    const fds = all.guest.regions.map(() => all.guest.fd);
    await all.frontend.send(requests.SET_MEM_TABLE, all.guest.regions, { fds });
    await handled(all.frontend);
    await echo(all);
    const { vid } = all.backend.device;
    expect(device.told).toEqual([`stop ${vid}`, `configure ${vid} direct ${format}`, 'marks']);
  });
});

describe('a device that tells the network where a guest is', () => {
  const rarp = 0x0500_0000_0002n;

  it('is told which address has arrived, where it can and nowhere else', async () => {
    const device = new AnnouncingLoopback();
    await using all = await setUpVdpa({}, {}, device);
    expect(all.backend.driver.protocolFeatures & VHOST_USER_PROTOCOL_F_RARP).not.toBe(0n);
    const announced: string[] = [];
    all.backend.driver.callbacks({ announced: (_, mac) => announced.push(mac) });
    await all.frontend.send(requests.SEND_RARP, rarp);
    await handled(all.frontend);
    const mac = '02:00:00:00:00:05';
    expect([device.told.at(-1), announced]).toEqual([`${all.backend.device.vid} has arrived: ${mac}`, [mac]]);
    await echo(all);
  });

  it('ends the connection by name when it cannot', async () => {
    const device = new AnnouncingLoopback();
    await using all = await setUpVdpa({}, {}, device);
    device.onArrival = () => {
      throw new TypeError('oops');
    };
    await all.frontend.send(requests.SEND_RARP, rarp);
    await until(() => all.backend.ended.length > 0);
    expect(all.backend.ended).toEqual([expect.objectContaining({ code: 'VIO_VDPA_FAILED' })]);
  });
});
