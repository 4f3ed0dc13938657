import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { type Socket, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { codeOf, scratchDirectory, turns } from '@vio/test-support';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WorkBudget } from '../telemetry/work-budget.ts';
import { HttpServer, mostConnections, requestMilliseconds } from './http-server.ts';

const directory = scratchDirectory('http');
const question = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
/** All the time there is, and more. */
const plenty = 100;
/** 20 ms are saved up, and a piece of work counts as 0.03 ms at least. */
const nothing = 1e-12;
let count = 0;

interface Serving extends AsyncDisposable {
  readonly server: HttpServer;
  readonly path: string;
  /** Requests so far. */
  answered(): number;
}

async function serve(share: number, answer?: RequestListener): Promise<Serving> {
  let answered = 0;
  const path = join(directory, `${count++}.sock`);
  const listener: RequestListener = (request, response) => {
    answered++;
    if (answer === undefined) response.end('answer');
    else answer(request, response);
  };
  const server = await HttpServer.listen({ path }, listener, new WorkBudget(share));
  return {
    server,
    path,
    answered: () => answered,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function client(path: string): Promise<Socket> {
  for (;;) {
    const socket = connect(path).on('error', () => {});
    const connected = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'close').then(() => false),
    ]);
    if (connected) return socket;
    // So many wait to be let in that there is no room for one more.
    await turns(1);
  }
}

/** What comes until there is this. */
async function said(socket: Socket, pattern: RegExp): Promise<string> {
  let text = '';
  while (!pattern.test(text)) {
    const [more] = (await once(socket, 'data')) as [Buffer];
    text += more.toString('latin1');
  }
  return text;
}

/** Waits without a timer. */
async function turnsUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await turns(1);
}

afterEach(() => void vi.useRealTimers());

describe('HTTP', () => {
  it('is answered, one request after the other', async () => {
    await using serving = await serve(plenty);
    const socket = await client(serving.path);
    const answers: string[] = [];
    for (let i = 0; i < 3; i++) {
      socket.write(question);
      answers.push(await said(socket, /answer$/));
    }
    socket.destroy();
    expect(answers.map((answer) => answer.startsWith('HTTP/1.1 200 OK\r\n'))).toEqual([true, true, true]);
  });

  it('may come byte by byte', async () => {
    await using serving = await serve(plenty);
    const socket = await client(serving.path);
    for (const byte of question) {
      socket.write(byte);
      await turns(1);
    }
    expect(await said(socket, /answer$/)).toContain('200 OK');
    socket.destroy();
  });

  it('is answered with more than fits the buffers of a socket', async () => {
    const bytes = 3 << 20;
    await using serving = await serve(plenty, (_, response) => void response.end(Buffer.alloc(bytes, 'x')));
    const socket = await client(serving.path);
    socket.write(question);
    let came = 0;
    while (came < bytes) came += ((await once(socket, 'data')) as [Buffer])[0].length;
    socket.destroy();
    expect(came - bytes).toBeLessThan(300);
  });

  it.each([
    ['nonsense', 'nonsense\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['a body', `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999\r\n\r\n`, /^HTTP\/1\.1 413 /],
    [
      'a body without an end',
      `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`,
      /^HTTP\/1\.1 413 /,
    ],
    ['headers without an end', `GET / HTTP/1.1\r\nx: ${'x'.repeat(100_000)}`, /^HTTP\/1\.1 431 /],
  ])('with %s ends the connection', async (_, text, answer) => {
    await using serving = await serve(plenty);
    const socket = await client(serving.path);
    const ended = once(socket, 'close');
    socket.write(text);
    expect(await said(socket, /\r\n\r\n/)).toMatch(answer);
    await ended;
    expect(serving.answered()).toBe(0);
  });

  it('is served at a port of an address as well, which is said', async () => {
    await using server = await HttpServer.listen({ host: '127.0.0.1', port: 0 }, (_, response) => {
      response.end('answer');
    });
    const { url, browsable, host } = server.place;
    const answer = await (await fetch(url)).text();
    expect([url, browsable, host, answer]).toEqual([
      expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      true,
      '127.0.0.1',
      'answer',
    ]);
  });

  it('has no place where nobody can listen, or somebody does', async () => {
    await using serving = await serve(plenty);
    const { path } = serving;
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const refused = [
      { path: join(directory, 'no/such.sock') },
      { path },
      { host: '127.0.0.1', port },
      { host: '192.0.2.1', port: 0 },
    ];
    const codes = await Promise.all(refused.map((where) => codeOf(HttpServer.listen(where, () => {}))));
    taken.close();
    expect(codes).toEqual([
      'VIO_SOCKET_MISSING',
      'VIO_SOCKET_IN_USE',
      'VIO_SOCKET_IN_USE',
      'VIO_SYS_EADDRNOTAVAIL',
    ]);
  });
});

describe('those who do not ask', () => {
  it('are sent away after a while, whether they say nothing or a byte a second', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await using serving = await serve(plenty);
    const [silent, slow] = [await client(serving.path), await client(serving.path)];
    await turnsUntil(() => serving.server.connections === 2);
    let at = 0;
    for (; at < 2 * requestMilliseconds && serving.server.connections > 0; at += 1000) {
      slow.write('G');
      await turns(8);
      await vi.advanceTimersByTimeAsync(1000);
    }
    silent.destroy();
    slow.destroy();
    expect([at, serving.answered()]).toEqual([requestMilliseconds, 0]);
  });

  it('are sent away when they have asked before', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await using serving = await serve(plenty);
    const socket = await client(serving.path);
    socket.write(question);
    await said(socket, /answer$/);
    await turns(8);
    const before = serving.server.connections;
    await vi.advanceTimersByTimeAsync(requestMilliseconds);
    await once(socket.resume(), 'close');
    expect([before, serving.server.connections]).toEqual([1, 0]);
  });

  it('make room for those who come later, when they are too many', async () => {
    await using serving = await serve(plenty);
    const crowd: Socket[] = [];
    for (let i = 0; i < 3 * mostConnections; i++) crowd.push(await client(serving.path));
    const socket = await client(serving.path);
    socket.write(question);
    await said(socket, /answer$/);
    const { connections, turnedAway } = serving.server;
    for (const each of [...crowd, socket]) each.destroy();
    expect([connections, turnedAway]).toEqual([mostConnections, 2 * mostConnections + 1]);
  });

  it('do not cost those their connection who are being answered: who comes then is refused', async () => {
    await using serving = await serve(plenty, (_, response) => void response.write('begins'));
    const readers = await Promise.all(Array.from({ length: mostConnections }, () => client(serving.path)));
    for (const each of readers) each.write(question);
    await Promise.all(readers.map((each) => said(each, /begins/)));
    const late = await client(serving.path);
    const refused = await said(late, /\r\n\r\n/);
    const { connections, turnedAway } = serving.server;
    for (const each of [...readers, late]) each.destroy();
    expect(refused).toMatch(/^HTTP\/1\.1 503 /);
    expect([connections, turnedAway]).toEqual([mostConnections, 1]);
  });
});

it('who asks and does not read the answer is sent away', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  await using serving = await serve(plenty, (_, response) => void response.end(Buffer.alloc(8 << 20)));
  const deaf = await client(serving.path);
  deaf.pause();
  deaf.write(question);
  await turnsUntil(() => serving.answered() === 1);
  await turns(100);
  const before = serving.server.connections;
  await vi.advanceTimersByTimeAsync(15_000);
  await turnsUntil(() => serving.server.connections === 0);
  deaf.destroy();
  expect(before).toBe(1);
});

describe('a thread that has no time left for HTTP', () => {
  it('answers no more than it has time for', async () => {
    await using serving = await serve(nothing);
    const clients = await Promise.all(Array.from({ length: 8 }, () => client(serving.path)));
    for (const each of clients) {
      each.on('data', () => each.write(question));
      each.write(question);
    }
    await turns(2000);
    for (const each of clients) each.destroy();
    expect(serving.answered()).toBeLessThan(660);
  });

  it('sends away who asks a thousand things at once', async () => {
    await using serving = await serve(nothing);
    const socket = await client(serving.path);
    socket.write(question.repeat(1000));
    await once(socket.resume(), 'close');
    expect(serving.answered()).toBeLessThan(200);
  });

  it('lets in no more than it has time for, whether they ask or not', async () => {
    await using serving = await serve(nothing);
    let last: Socket | undefined;
    for (let i = 0; i < 1000; i++) {
      // A full backlog refuses them.
      last = connect(serving.path).on('error', () => {});
      await turns(1);
    }
    await turns(100);
    const { connections, turnedAway } = serving.server;
    last?.destroy();
    expect(connections + turnedAway).toBeGreaterThan(0);
    expect(connections + turnedAway).toBeLessThan(160);
  });
});
