// What a machine without these devices says; machines that have them are in test/vm.
import { openFds } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { VhostNetTransport } from './vhost-net/vhost-net-transport.ts';
import { VhostVdpaTransport } from './vdpa/vhost-vdpa-transport.ts';

describe('a device that is not there', () => {
  it('is vhost-net: its module is missing', () => {
    const before = openFds();
    expect(() => VhostNetTransport.open({ path: '/dev/vhost-net-missing', queues: 2 })).toThrow(
      expect.objectContaining({
        code: 'VIO_VHOST_NET_UNAVAILABLE',
        remedy: expect.stringContaining('modprobe'),
      }),
    );
    expect(openFds()).toBe(before);
  });

  it('is vhost-vdpa: its module or the device is missing', async () => {
    await expect(VhostVdpaTransport.open({ path: '/dev/vhost-vdpa-missing' })).rejects.toMatchObject({
      code: 'VIO_VDPA_UNAVAILABLE',
      remedy: expect.stringContaining('vdpa dev add'),
    });
  });
});

describe('descriptors that are no queues of a tap', () => {
  it('leave nothing open', () => {
    const before = openFds();
    expect(() => VhostNetTransport.open({ path: '/dev/null', queues: 1, devices: [0], taps: [0] })).toThrow(
      expect.objectContaining({ code: 'VIO_TAP_MISMATCH' }),
    );
    expect(openFds()).toBe(before);
  });
});

describe('an option that there is not', () => {
  /** As JavaScript lets one write. */
  const given = <T extends object>(right: T): T => Object.assign(right, { quues: 1 });

  it('is refused before anything is opened', async () => {
    const refused = { code: 'VIO_OPTION_UNKNOWN', message: expect.stringContaining('"quues"') };
    expect(() => VhostNetTransport.open(given({ path: '/dev/null', queues: 1 }))).toThrow(
      expect.objectContaining(refused),
    );
    await expect(VhostVdpaTransport.open(given({ path: '/dev/null' }))).rejects.toMatchObject(refused);
  });
});
