import { failureOf } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { linkSpeeds } from '@vio/net/internal';
import { type VirtioUserOptions, parseVirtioUserConfig } from './config.ts';

const path = '/tmp/vio-nobody-has-this.sock';

describe('without further devargs', () => {
  it('everything is as in DPDK', () => {
    expect(parseVirtioUserConfig({ path })).toEqual({
      path,
      backend: 'vhost-user',
      iface: undefined,
      mac: undefined,
      cq: false,
      queue_size: 256,
      queues: 1,
      server: false,
      mrg_rxbuf: true,
      in_order: true,
      packed_vq: false,
      speed: undefined,
      vectorized: false,
    });
  });

  it('the result cannot be changed', () => {
    expect(Object.isFrozen(parseVirtioUserConfig({ path }))).toBe(true);
  });
});

describe('a string and an object that say the same', () => {
  const same: [string, Omit<VirtioUserOptions, 'path'>][] = [
    ['mac=02:00:00:00:00:0A', { mac: '02:00:00:00:00:0A' }],
    ['queue_size=1024', { queue_size: 1024 }],
    ['queue_size=0x400', { queue_size: 1024 }],
    ['queues=128', { queues: 128 }],
    ['server=1', { server: true }],
    ['server=0', { server: false }],
    ['mrg_rxbuf=0', { mrg_rxbuf: false }],
    ['in_order=0', { in_order: false }],
    ['packed_vq=1,queue_size=100', { packed_vq: true, queue_size: 100 }],
    ['vectorized=1', { vectorized: true }],
    ...linkSpeeds.map((speed): [string, { speed: number }] => [`speed=${speed}`, { speed }]),
    ['speed=0xffffffff', { speed: undefined }],
  ];

  it.each(same)('are the same: %s', (text, options) => {
    expect(parseVirtioUserConfig(`net_virtio_user0,path=${path},${text}`)).toEqual(
      parseVirtioUserConfig({ path, ...options }),
    );
  });

  it.each(same)('change what they name: %s', (text, options) => {
    expect(parseVirtioUserConfig(`path=${path},${text}`)).toMatchObject(options);
  });

  it('leave out what is undefined', () => {
    expect(parseVirtioUserConfig({ path, mac: undefined, queues: undefined })).toEqual(
      parseVirtioUserConfig({ path }),
    );
  });
});

describe('a wrong devarg is one error that names key, value, range and remedy:', () => {
  const wrong: [text: string, value: string, range: string][] = [
    ['mac=02:00:00:00:00', 'mac=02:00:00:00:00', '02:00:00:00:00:01'],
    ['mac=02-00-00-00-00-01', 'mac=02-00-00-00-00-01', 'six bytes'],
    ['mac=02:00:00:00:00:0g', 'mac=02:00:00:00:00:0g', 'six bytes'],
    ['mac=', 'mac=', 'six bytes'],
    ['queue_size=0', 'queue_size=0', 'power of two from 1 to 32768'],
    ['queue_size=65536', 'queue_size=65536', '1 to 32768'],
    ['queue_size=100', 'queue_size=100', 'power of two'],
    ['queue_size=-1', 'queue_size=-1', '1 to 32768'],
    ['queue_size=1e3', 'queue_size=1e3', '1 to 32768'],
    ['queue_size=', 'queue_size=', '1 to 32768'],
    ['packed_vq=1,queue_size=32769', 'queue_size=32769', '1 to 32768'],
    ['queues=0', 'queues=0', '1 to 128'],
    ['queues=129', 'queues=129', '1 to 128'],
    ['queues=1.5', 'queues=1.5', '1 to 128'],
    ['queues=two', 'queues=two', '1 to 128'],
    ['speed=1000', 'speed=1000', '10000, 20000'],
    ['speed=fast', 'speed=fast', '10000, 20000'],
    ['iface=', 'iface=', '1 to 15 characters'],
    ['iface=longer-than-ifnamsiz', 'iface=longer-than-ifnamsiz', '1 to 15 characters'],
    ...['cq', 'server', 'mrg_rxbuf', 'in_order', 'packed_vq', 'vectorized'].flatMap(
      (key): [string, string, string][] => [
        [`${key}=2`, `${key}=2`, '0 or 1'],
        [`${key}=yes`, `${key}=yes`, '0 or 1'],
        [`${key}=`, `${key}=`, '0 or 1'],
      ],
    ),
  ];

  it.each(wrong)('%s', (text, value, range) => {
    const error = failureOf(() => parseVirtioUserConfig(`path=${path},${text}`));
    expect(error).toMatchObject({
      code: 'VIO_DEVARGS_VALUE',
      message: expect.stringContaining(value),
      remedy: expect.stringContaining(range),
    });
  });

  it.each<[string, Record<string, unknown>]>([
    ['queues', { queues: '2x' }],
    ['queues', { queues: null }],
    ['server', { server: [] }],
    ['mac', { mac: 2 }],
    ['path', { path: 2 }],
  ])('%s of the wrong type', (key, options) => {
    const call = parseVirtioUserConfig as (options: Record<string, unknown>) => unknown;
    const error = failureOf(() => call({ path, ...options }));
    expect(error).toMatchObject({
      code: 'VIO_DEVARGS_VALUE',
      message: expect.stringContaining(key),
    });
  });

  it.each(['path=', 'queues=2', 'net_virtio_user0'])('no path: %s', (text) => {
    expect(failureOf(() => parseVirtioUserConfig(text))).toMatchObject({
      code: 'VIO_DEVARGS_MISSING_PATH',
      remedy: expect.stringContaining('path='),
    });
  });

  it('an unknown key', () => {
    expect(failureOf(() => parseVirtioUserConfig(`path=${path},queue=2`))).toMatchObject({
      code: 'VIO_DEVARGS_UNKNOWN_KEY',
      message: expect.stringContaining('queue'),
      remedy: expect.stringContaining('queues'),
    });
  });

  it('an unknown key of an object', () => {
    const call = parseVirtioUserConfig as (options: Record<string, unknown>) => unknown;
    expect(failureOf(() => call({ path, queueSize: 4 }))).toMatchObject({
      code: 'VIO_DEVARGS_UNKNOWN_KEY',
      message: expect.stringContaining('queueSize'),
    });
  });
});

describe('a path', () => {
  it('of 107 bytes is taken', () => {
    const longest = `/${'a'.repeat(106)}`;
    expect(parseVirtioUserConfig({ path: longest }).path).toBe(longest);
  });

  it.each([`/${'a'.repeat(107)}`, `/${'ä'.repeat(54)}`])('of 108 bytes or more is not: %s', (long) => {
    expect(failureOf(() => parseVirtioUserConfig({ path: long }))).toMatchObject({
      code: 'VIO_SOCKET_PATH_TOO_LONG',
      message: expect.stringContaining('107'),
    });
  });

  it.each(['/dev/null', '/etc/passwd', '/tmp'])('to something else than a socket is refused: %s', (other) => {
    expect(failureOf(() => parseVirtioUserConfig({ path: other }))).toMatchObject({
      code: 'VIO_SOCKET_NOT_A_SOCKET',
      message: expect.stringContaining(other),
    });
  });
});

describe('devargs that do not belong together', () => {
  it('iface and a socket', () => {
    expect(failureOf(() => parseVirtioUserConfig({ path, iface: 'tap0' }))).toMatchObject({
      code: 'VIO_DEVARGS_CONFLICT',
      message: expect.stringContaining('iface=tap0'),
    });
  });
});
