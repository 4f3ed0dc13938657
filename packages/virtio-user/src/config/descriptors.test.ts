import { closeSync, openSync } from 'node:fs';
import { UnixStream } from '@vio/native';
import { ScriptedBackend } from '@vio/vhost/testing';
import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import { holdings, holdingsLike, failureOf } from '@vio/test-support';
import { afterEach, describe, expect, it } from 'vitest';
import { parseVirtioUserConfig, type VirtioUserOptions } from './config.ts';
import type { BackendDescriptors } from './descriptors.ts';
import type { OpenOptions } from './open-options.ts';
import { openVirtioUser } from '../open.ts';

const opened: number[] = [];
const open = (path: string): number => {
  const fd = openSync(path, 'r');
  opened.push(fd);
  return fd;
};

afterEach(() => {
  for (const fd of opened.splice(0)) closeSync(fd);
});

describe('a port on a socket that is already connected', () => {
  it('is opened without a path, and leaves the socket to whoever opened it', async () => {
    const [near, far] = UnixStream.pair();
    using backend = new ScriptedBackend(far, { features: VIRTIO_F_VERSION_1 });
    const before = holdings();
    const port = await openVirtioUser('net_virtio_user0', { descriptors: { socket: near.fd } });
    const { path, backend: kind } = port.config;
    await port.close();
    expect([path, kind, backend.seen.length > 0]).toEqual([`descriptor ${near.fd}`, 'vhost-user', true]);
    expect(await holdingsLike(before)).toEqual(before);
    near.close();
  });
});

describe('descriptors that do not fit', () => {
  const nul = () => open('/dev/null');
  const file = () => open('/etc/passwd');
  const cases: [string, () => BackendDescriptors, VirtioUserOptions, RegExp][] = [
    ['none', () => ({}), {}, /no descriptors/],
    ['those of two backends', () => ({ socket: 0, vdpa: 0 }), {}, /vhost-user and vhost-vdpa/],
    ['a file as the socket', () => ({ socket: file() }), {}, /is a file, not a Unix socket/],
    ['a socket that is not open', () => ({ socket: 999 }), {}, /999 is not open/],
    ['a file as vhost-net', () => ({ vhostNet: [file()] }), {}, /is a file, not \/dev\/vhost-net/],
    ['another device as vhost-net', () => ({ vhostNet: [nul()] }), {}, /is a character-device/],
    ['a file as the tap', () => ({ tap: [file()] }), {}, /is a file, not a queue of a tap/],
    ['another device as vhost-vdpa', () => ({ vdpa: nul() }), {}, /not \/dev\/vhost-vdpa-N/],
    ['one tap queue for two pairs', () => ({ tap: [nul()] }), { queues: 2 }, /tap: 1 descriptors for 2/],
    [
      'the same tap queue twice',
      () => {
        const fd = nul();
        return { tap: [fd, fd] };
      },
      { queues: 2 },
      /tap: 1 descriptors for 2/,
    ],
  ];

  it.each(cases)('%s', (_what, descriptors, devargs, message) => {
    const { code, message: said } = failureOf(() => parseVirtioUserConfig(devargs, descriptors()));
    expect([code, said]).toEqual(['VIO_DESCRIPTORS', expect.stringMatching(message)]);
  });
});

describe('devargs that say what descriptors say already', () => {
  it.each<[BackendDescriptors, VirtioUserOptions]>([
    [{ socket: 0 }, { path: '/tmp/vhost.sock' }],
    [{ socket: 0 }, { server: true }],
    [{ vdpa: 0 }, { path: '/dev/vhost-vdpa-0' }],
    [{ tap: [0], vhostNet: [0] }, { path: '/dev/vhost-net' }],
    [{ tap: [0] }, { iface: 'tap0' }],
  ])('%j with %j', (descriptors, devargs) => {
    expect(failureOf(() => parseVirtioUserConfig(devargs, descriptors)).code).toBe('VIO_DEVARGS_CONFLICT');
  });

  it.each<OpenOptions>([{ reconnect: true }, { netns: '/run/netns/blue' }])(
    'or options that do, as %j',
    async (options) => {
      const [near, far] = UnixStream.pair();
      const opening = openVirtioUser('net_virtio_user0', { ...options, descriptors: { socket: near.fd } });
      await expect(opening).rejects.toMatchObject({ code: 'VIO_DESCRIPTORS' });
      near.close();
      far.close();
    },
  );
});
