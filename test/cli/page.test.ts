// The live page of a running port, without a browser: what is served, to whom, and what bad clients do to it. With one: test/page.
import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { type Socket, connect } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Vio, listeningBackend } from './vio.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-page-'));
const socket = join(directory, 'vhost.sock');
let backend: Vio;
let port: Vio;
let tcp: number;

beforeAll(async () => {
  backend = await listeningBackend([socket]);
  port = new Vio(['run', `path=${socket}`, '--forward-mode', 'flowgen', '--metrics', '0', '--page-packets']);
  await port.says(/pps/);
  tcp = Number(/live page on http:\/\/127\.0\.0\.1:(\d+)\/$/m.exec(port.stdout)?.[1]);
});
afterAll(async () => {
  await port.interrupt();
  await backend.interrupt();
  rmSync(directory, { recursive: true });
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function ask(
  path: string,
  options: { readonly method?: string; readonly headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ port: tcp, path, ...options }, (response) => {
      const { statusCode: status, headers } = response;
      void text(response).then((body) => resolve({ status, headers, body }));
    });
    asking.on('error', reject).end();
  });
}

/** Opens the stream. */
function open(path = '/live', where = tcp): Promise<{ asking: ClientRequest; stream: IncomingMessage }> {
  return new Promise((resolve, reject) => {
    const asking = request({ port: where, path, agent: false }, (stream) => resolve({ asking, stream }));
    asking.on('error', reject).end();
  });
}

/** What the stream says until there is this. */
async function saidUntil(stream: IncomingMessage, pattern: RegExp): Promise<string> {
  let said = '';
  for await (const chunk of stream.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    said += String(chunk);
    if (pattern.test(said)) return said;
  }
  throw new Error(`the stream ended after ${said}`);
}

const moved = async (): Promise<number> => {
  const { body } = await ask('/metrics');
  return Number(/^vio_tx_good_packets_total\{.*\} (\d+)$/m.exec(body)?.[1]);
};

/** Until packets have moved again. @returns whether they have */
async function stillForwards(): Promise<boolean> {
  const before = await moved();
  for (;;) if ((await moved()) > before) return true;
}

const streamQuestion = 'GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n';
const endless = 'POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n';

/** Never says a whole request. */
function dribble(client: Socket): void {
  let at = 0;
  const timer = setInterval(() => client.write(streamQuestion[at++ % (streamQuestion.length - 2)]), 100);
  client.on('close', () => clearInterval(timer));
}

describe('the live page', () => {
  it.each([
    ['/', 'text/html; charset=utf-8'],
    ['/page.js', 'text/javascript; charset=utf-8'],
    ['/page.css', 'text/css; charset=utf-8'],
    ['/favicon.svg', 'image/svg+xml'],
  ])('has %s', async (path, type) => {
    const { status, headers } = await ask(path);
    expect([status, headers['content-type'], headers['x-content-type-options']]).toEqual([
      200,
      type,
      'nosniff',
    ]);
    expect(headers['content-security-policy']).toMatch(/^default-src 'none';/);
  });

  it('names nothing outside, and has nothing inline', async () => {
    const pages = await Promise.all(['/', '/page.css'].map((path) => ask(path)));
    const all = pages.map(({ body }) => body).join('');
    expect(all).not.toMatch(/https?:|\/\/\w|@import|<style|<script>| style=| on\w+=/);
  });

  it('streams what the port counts, its rings, its paths and packets', async () => {
    const { asking, stream } = await open();
    const said = await saidUntil(stream, /event: packets\n.*\n\n/);
    asking.destroy();
    const [, look = ''] = /^event: look\ndata: (.*)$/m.exec(said) ?? [];
    const [, packets = ''] = /^event: packets\ndata: (.*)$/m.exec(said) ?? [];
    expect(stream.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(JSON.parse(look)).toMatchObject({
      port: {
        name: socket,
        up: true,
        stats: { tx_q0_good_packets: expect.any(Number) },
        rings: [{ name: 'receiveq0', positions: { held: expect.any(Number) } }, { name: 'transmitq0' }],
        paths: { rx: { reason: expect.any(String) }, tx: { refused: expect.any(Array) } },
      },
      turns: { wait: { p99: expect.any(Number) } },
    });
    expect(JSON.parse(packets)).toMatchObject({
      packets: expect.arrayContaining([expect.objectContaining({ bytes: 60 })]),
    });
  });

  it('does not answer whom a name of somebody else led here', async () => {
    const headers = { host: 'evil.example' };
    const answers = await Promise.all(['/', '/live', '/metrics'].map((path) => ask(path, { headers })));
    expect(answers.map(({ status }) => status)).toEqual([421, 421, 421]);
  });

  it.each([
    ['another method', '/live', { method: 'POST' }],
    ['a path that leads out', '/../../etc/passwd', {}],
    ['a path that leads out in disguise', '/page.js/..%2f..%2fmain.js', {}],
    ['a file beside', '/THIRD_PARTY_NOTICES.txt', {}],
    ['a long path', `/${'x'.repeat(8000)}`, {}],
  ])('answers %s with 404', async (_, path, options) => {
    expect((await ask(path, options)).status).toBe(404);
  });

  it.each(['x', '-1', '99999999999999999999', '5&port=0', '%00'])(
    'a stream of the port %s is one of another, or of none',
    async (number) => {
      const { asking, stream } = await open(`/live?port=${number}`);
      const said = await saidUntil(stream, /event: look/);
      asking.destroy();
      expect(said).toContain('event: hello');
    },
  );

  it('has room for sixteen, and no trouble with hundreds', async () => {
    const many = Array.from({ length: 300 }, () => connect(tcp, '127.0.0.1'));
    const codes: string[] = [];
    for (const client of many) {
      client.on('error', () => {});
      client.on('data', (data) => codes.push(data.toString('latin1').slice(9, 12)));
      client.write('GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n');
    }
    await new Promise<void>((resolve) => {
      const look = setInterval(() => {
        if (!codes.includes('503')) return;
        clearInterval(look);
        resolve();
      }, 10);
    });
    for (const client of many) client.destroy();
    expect(codes.filter((code) => code === '200').length).toBeLessThanOrEqual(16);
    expect(await stillForwards()).toBe(true);
  });

  it.each([
    ['never ask', () => {}],
    ['ask byte by byte', (client: Socket) => dribble(client)],
    ['send bodies without an end', (client: Socket) => void client.write(`${endless}${'x'.repeat(100_000)}`)],
    ['ask for the stream and do not read it', (client: Socket) => void client.pause().write(streamQuestion)],
  ])('forwards while hundreds connect, and %s, and is scraped', async (_, misbehave) => {
    const many = Array.from({ length: 500 }, () => connect(tcp, '127.0.0.1').on('error', () => {}));
    for (const client of many) misbehave(client);
    const before = await moved();
    while ((await moved()) <= before);
    for (const client of many) client.destroy();
    const { body } = await ask('/metrics');
    expect(body).toMatch(/^vio_http_turned_away_total \d+$/m);
  });

  it('goes on when browsers leave in the middle, say garbage, or never read', async () => {
    const clients = Array.from({ length: 8 }, (_, i) => {
      const client = connect(tcp, '127.0.0.1').on('error', () => {});
      if (i % 4 === 0) client.write('GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n');
      else if (i % 4 === 1) client.end(Buffer.from([0, 255, 13, 10, 13, 10]));
      else if (i % 4 === 2) client.write('GET /live HT');
      else client.write('GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n', () => client.resetAndDestroy());
      return client;
    });
    expect(await stillForwards()).toBe(true);
    const { asking, stream } = await open();
    await saidUntil(stream, /event: look[^]*event: look/);
    asking.destroy();
    for (const client of clients) client.destroy();
    expect(await stillForwards()).toBe(true);
  });
});

it('packets are for those only who were told to have them', async () => {
  const silent = await listeningBackend([join(directory, 'silent.sock'), '--metrics', '0']);
  const other = Number(/live page on http:\/\/127\.0\.0\.1:(\d+)\//.exec(silent.stdout)?.[1]);
  const { asking, stream } = await open('/live', other);
  const said = await saidUntil(stream, /event: look/);
  asking.destroy();
  await silent.interrupt();
  expect(said).toContain('"packets":false');
});

it('ends at once with the program, whoever looks', async () => {
  const brief = await listeningBackend([join(directory, 'brief.sock'), '--metrics', '0']);
  const other = Number(/live page on http:\/\/127\.0\.0\.1:(\d+)\//.exec(brief.stdout)?.[1]);
  const client = connect(other, '127.0.0.1').on('error', () => {});
  client.write('GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await new Promise((resolve) => client.once('data', resolve));
  const { exitCode } = await brief.interrupt();
  expect(exitCode).toBe(0);
});
