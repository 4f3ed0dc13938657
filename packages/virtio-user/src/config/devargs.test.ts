import { coded } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { parseDevargs } from './devargs.ts';

describe('a device-argument string', () => {
  it('is a driver and its keys, as written', () => {
    const { name, values } = parseDevargs('net_virtio_user0,path=/tmp/a.sock,queues=2');
    expect([name, Object.fromEntries(values)]).toEqual([
      'net_virtio_user0',
      { path: '/tmp/a.sock', queues: '2' },
    ]);
  });

  it.each(['net_virtio_user', 'net_virtio_user17', 'virtio_user0', 'virtio_user_left'])(
    'may be for the driver %s',
    (name) => {
      expect(parseDevargs(`${name},path=/a`).name).toBe(name);
    },
  );

  it('may begin with a key', () => {
    expect(parseDevargs('path=/a')).toEqual({ name: '', values: new Map([['path', '/a']]) });
  });

  it('may have spaces around its parts', () => {
    expect([...parseDevargs('path=/a , queues=2').values.keys()]).toEqual(['path', 'queues']);
  });

  it('may have an equals sign in a value', () => {
    expect(parseDevargs('path=/tmp/a=b').values.get('path')).toBe('/tmp/a=b');
  });

  it.each(['net_tap0,path=/a', 'eth0', 'net_virtio_user-0'])('is not for another driver: %s', (text) => {
    expect(() => parseDevargs(text)).toThrow(coded('VIO_DEVARGS_DRIVER'));
  });

  it.each(['path=/a,', 'path=/a,,queues=2', 'path=/a,queues', 'path=/a,=2', 'virtio_user0,', ''])(
    'has no part without key and value: "%s"',
    (text) => {
      expect(() => parseDevargs(text)).toThrow(coded('VIO_DEVARGS_SYNTAX'));
    },
  );

  it('has no key twice', () => {
    expect(() => parseDevargs('path=/a,queues=2,queues=2')).toThrow(
      expect.objectContaining({ code: 'VIO_DEVARGS_TWICE', message: expect.stringContaining('queues') }),
    );
  });
});
