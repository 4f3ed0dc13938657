import { mkdtempSync, rmSync } from 'node:fs';
import { type Server, createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { listenHttp, parseHttpAddress } from './http-listen.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-http-'));
const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function newServer(): Server {
  const made = createServer();
  servers.push(made);
  return made;
}

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

  it('is said for a person, with the port that the system chose', async () => {
    expect(await listenHttp(newServer(), { host: '127.0.0.1', port: 0 })).toEqual({
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as string,
      browsable: true,
      host: '127.0.0.1',
    });
    const path = join(directory, 'http.sock');
    expect(await listenHttp(newServer(), { path })).toEqual({
      url: `unix:${path}`,
      browsable: false,
      host: undefined,
    });
  });

  it('is refused where nobody can', async () => {
    const path = join(directory, 'no/such.sock');
    await expect(listenHttp(createServer(), { path })).rejects.toThrow(/^listen /);
  });
});
