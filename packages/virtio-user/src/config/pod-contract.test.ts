import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VhostDriver } from '@vio/vhost';
import { codeOf, codeOfCall, scratchDirectory } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { openVirtioUser } from '../open.ts';
import { podDevargs } from './pod-contract.ts';

const directory = scratchDirectory('contract');
let count = 0;

/** Places of their own for a test, with nothing in them. */
function places() {
  const root = join(directory, String(count++));
  mkdirSync(join(root, 'vio'), { recursive: true });
  return {
    networkStatus: join(root, 'network-status'),
    directory: join(root, 'vio'),
    env: {} as Record<string, string>,
    write(file: string, content: unknown): string {
      const path = join(root, file);
      writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
      return path;
    },
  };
}

const info = (path: string, more: object = {}): object => ({
  type: 'vhost-user',
  version: '1.1.0',
  'vhost-user': { mode: 'client', path },
  vio: { mac: '02:00:00:00:00:07', queues: 2, network: 'fast' },
  ...more,
});
const status = (name: string, path: string): object => ({
  name: 'default/fast',
  interface: name,
  mac: '02:00:00:00:00:09',
  'device-info': info(path, { vio: undefined }),
});

describe('what a pod was given', () => {
  it('is the devargs of the environment before all else', () => {
    const at = places();
    at.env['VIO_DEVARGS'] = 'path=/a,queues=3';
    at.env['VIO_DEVICE_INFO'] = at.write('info.json', info('/b'));
    expect(podDevargs(at)).toBe('path=/a,queues=3');
  });

  it('is the device-info file that the environment names before what is mounted', () => {
    const at = places();
    at.env['VIO_DEVICE_INFO'] = at.write('info.json', info('/b'));
    at.write('network-status', [status('net1', '/c')]);
    expect(podDevargs(at)).toEqual({ path: '/b', server: false, mac: '02:00:00:00:00:07', queues: 2 });
  });

  it('is the interface of the annotation that is vhost-user before the directory', () => {
    const at = places();
    at.write('network-status', [{ name: 'flannel', interface: 'eth0' }, status('net1', '/c')]);
    at.write('vio/net2.json', info('/d'));
    expect(podDevargs(at)).toEqual({ path: '/c', server: false, mac: '02:00:00:00:00:09' });
  });

  it('is the only file in the directory of the sockets at last', () => {
    const at = places();
    at.write('vio/net1.json', info('/d', { 'vhost-user': { mode: 'server', path: '/d' } }));
    at.write('vio/net1.sock', '');
    expect(podDevargs(at)).toMatchObject({ path: '/d', server: true });
  });

  it.each([['network-status'], ['vio']])(
    'is chosen by the name of the interface among several in %s',
    (place) => {
      const at = places();
      if (place === 'vio')
        for (const name of ['net1', 'net2']) at.write(`vio/${name}.json`, info(`/${name}`));
      else at.write('network-status', [status('net1', '/net1'), status('net2', '/net2')]);
      expect(codeOfCall(() => podDevargs(at))).toBe('VIO_POD_INTERFACE');
      at.env['VIO_INTERFACE'] = 'net2';
      expect(podDevargs(at)).toMatchObject({ path: '/net2' });
    },
  );

  it.each<[string, (at: ReturnType<typeof places>) => void, string]>([
    ['nothing at all', () => {}, 'VIO_POD_NOTHING'],
    [
      'an interface that is not there',
      (at) => {
        at.write('vio/net1.json', info('/a'));
        at.env['VIO_INTERFACE'] = 'net9';
      },
      'VIO_POD_NOTHING',
    ],
    ['a file that is not there', (at) => void (at.env['VIO_DEVICE_INFO'] = '/nowhere'), 'VIO_POD_INFO'],
    ['nonsense', (at) => void at.write('vio/net1.json', '{'), 'VIO_POD_INFO'],
    ['another type', (at) => void at.write('vio/net1.json', { type: 'pci' }), 'VIO_POD_INFO'],
    [
      'no path',
      (at) => void at.write('vio/net1.json', { type: 'vhost-user', 'vhost-user': { mode: 'client' } }),
      'VIO_POD_INFO',
    ],
    [
      'a mode there is not',
      (at) => void at.write('vio/net1.json', info('/a', { 'vhost-user': { mode: 'both', path: '/a' } })),
      'VIO_POD_INFO',
    ],
    ['a status that is no list', (at) => void at.write('network-status', {}), 'VIO_POD_INFO'],
    [
      'more than anybody writes',
      (at) => void at.write('vio/net1.json', ' '.repeat((1 << 20) + 1)),
      'VIO_POD_INFO',
    ],
  ])('that is %s is an error by name', (_, prepare, code) => {
    const at = places();
    prepare(at);
    expect(codeOfCall(() => podDevargs(at))).toBe(code);
  });
});

describe('openVirtioUser without an argument', () => {
  it('opens what the pod was given', async () => {
    const at = places();
    const path = join(at.directory, 'net1.sock');
    await using backend = VhostDriver.register(path);
    await backend.start();
    process.env['VIO_DEVICE_INFO'] = at.write(
      'vio/net1.json',
      info(path, { vio: { mac: '02:00:00:00:00:07', queues: 1 } }),
    );
    try {
      await using port = await openVirtioUser();
      expect([port.link.up, port.mac]).toEqual([true, '02:00:00:00:00:07']);
    } finally {
      delete process.env['VIO_DEVICE_INFO'];
    }
  });

  it('says where it looked when there is nothing', async () => {
    expect(await codeOf(openVirtioUser())).toBe('VIO_POD_NOTHING');
  });
});
