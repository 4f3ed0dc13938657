import { hostname } from 'node:os';
import { IncomingMessage, type IncomingHttpHeaders } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { refusal } from './guard.ts';

function refused(headers: IncomingHttpHeaders, host: string | undefined = '127.0.0.1'): number | undefined {
  const request = new IncomingMessage(new Socket());
  Object.assign(request.headers, headers);
  return refusal(request, host)?.status;
}

describe('who may ask', () => {
  it.each(['localhost', 'LOCALHOST:9100', '127.0.0.1:9100', '[::1]:9100', '192.0.2.7', `${hostname()}:9100`])(
    '%s may',
    (host) => expect(refused({ host })).toBe(undefined),
  );

  it.each(['evil.example', 'evil.example:9100', '127.0.0.1.evil.example', 'localhost.evil.example', ''])(
    'a name of somebody else, %j, may not',
    (host) => expect(refused({ host })).toBe(421),
  );

  it.each(['a b', 'x@127.0.0.1', '127.0.0.1:9100:1', '[::1', '127.0.0.1/', 'localhost\u0000'])(
    '%j is no name',
    (host) => expect(refused({ host })).toBe(421),
  );

  it('nobody has no name', () => expect(refused({})).toBe(421));

  it('the name that it listens on is its own', () => {
    expect(refused({ host: 'Router.lan:80' }, 'router.lan')).toBe(undefined);
  });

  it('a Unix socket is reached by whatever name a proxy has', () => {
    const request = new IncomingMessage(new Socket());
    expect(refusal(request, undefined)).toBe(undefined);
  });

  it('a script of another site may not, a link there may', () => {
    const host = 'localhost';
    const asked = (mode: string) => refused({ host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': mode });
    expect([asked('cors'), asked('no-cors'), asked('navigate')]).toEqual([403, 403, undefined]);
  });
});
