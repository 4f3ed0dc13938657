import { describe, expect, it } from 'vitest';
import { parseHttpAddress } from './http-address.ts';

describe('where a server listens', () => {
  it.each([
    ['9100', { host: '127.0.0.1', port: 9100 }],
    [':9100', { host: '127.0.0.1', port: 9100 }],
    ['0', { host: '127.0.0.1', port: 0 }],
    ['0.0.0.0:80', { host: '0.0.0.0', port: 80 }],
    ['localhost:65535', { host: 'localhost', port: 65535 }],
    ['[::1]:9100', { host: '::1', port: 9100 }],
    ['[::]:0', { host: '::', port: 0 }],
    ['[fe80::1%eth0]:80', { host: 'fe80::1%eth0', port: 80 }],
    ['/run/vio.sock', { path: '/run/vio.sock' }],
  ])('is %s', (text, address) => {
    expect(parseHttpAddress(text)).toEqual(address);
  });

  it.each([
    '',
    'nonsense',
    '65536',
    ':',
    '::1:80',
    '[localhost]:80',
    '[::1]',
    '[1.2.3.4]:80',
    '[::1/]:80',
    'a:b:1',
    '80 ',
  ])('is not "%s"', (text) => {
    expect(parseHttpAddress(text)).toBeUndefined();
  });
});
