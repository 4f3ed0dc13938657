import { once } from 'node:events';
import { statSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { scratchDirectory, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { LineStream } from './line-connection.ts';
import { LineServer, type LineServerOptions } from './line-server.ts';

const directory = scratchDirectory('lines');
let count = 0;

function serve(options: Partial<LineServerOptions> = {}): LineServer {
  return LineServer.listen(join(directory, `${count++}.sock`), {
    code: 'VIO_TEST',
    answer: ({ method, params }) => ({ method, params }),
    ...options,
  });
}

async function client(path: string): Promise<Socket> {
  const socket = connect(path);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** The first lines that come. */
async function lines(socket: Socket, wanted: number): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const line of createInterface({ input: socket })) {
    found.push(JSON.parse(line));
    if (found.length === wanted) break;
  }
  return found;
}

describe('lines on a socket', () => {
  it('are for this user alone, and who connects is greeted', async () => {
    await using server = serve({ greeting: { hello: 1 } });
    const socket = await client(server.path);
    const greeting = await lines(socket, 1);
    socket.destroy();
    expect([statSync(server.path).mode & 0o777, greeting]).toEqual([0o600, [{ hello: 1 }]]);
  });

  it.each([
    ['{"id":1,"method":"a","params":[2]}', { id: 1, result: { method: 'a', params: [2] } }],
    ['/ethdev/info,0', { result: { method: '/ethdev/info,0' } }],
    ['"/ethdev/info,0"', { result: { method: '/ethdev/info,0' } }],
  ])('%s is a request', async (line, answer) => {
    await using server = serve();
    const socket = await client(server.path);
    socket.write(`${line}\n`);
    const [found] = await lines(socket, 1);
    socket.destroy();
    expect(found).toEqual(answer);
  });

  it.each([
    ['nonsense'],
    ['[]'],
    ['{"id":{},"method":"a"}'],
    ['{"method":"a","more":1}'],
    ['\u0000\u0001'],
    ['7'],
  ])('%j is none, and what comes after it is answered', async (line) => {
    await using server = serve();
    const socket = await client(server.path);
    socket.write(`${line}\n{"method":"b"}\n`);
    const found = await lines(socket, 2);
    socket.destroy();
    expect(found).toMatchObject([{ error: { code: 'VIO_TEST' } }, { result: { method: 'b' } }]);
  });

  it('that never end are not kept', async () => {
    await using server = serve({ maxRequest: 1000 });
    const socket = await client(server.path);
    socket.write('x'.repeat(5000));
    const [found] = await lines(socket, 1);
    await once(socket, 'close');
    expect(found).toMatchObject({ error: { message: expect.stringContaining('1000 bytes') } });
  });

  it('come one byte at a time, too', async () => {
    await using server = serve();
    const socket = await client(server.path);
    for (const byte of '{"id":9,"method":"slow"}\n') {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const found = await lines(socket, 1);
    socket.destroy();
    expect(found).toMatchObject([{ id: 9 }]);
  });

  it('of a client that says nothing more are answered although it has ended', async () => {
    await using server = serve();
    const socket = connect({ path: server.path, allowHalfOpen: true });
    socket.end('{"id":1,"method":"a"}\n{"id":2,"method":"b"}\n');
    expect(await lines(socket, 2)).toMatchObject([{ id: 1 }, { id: 2 }]);
  });

  it('are answered a hundred thousand times, while others get their turn', { timeout: 120_000 }, async () => {
    await using server = serve();
    const asked = 100_000;
    const socket = await client(server.path);
    let answered = 0;
    socket.on('data', (chunk: Buffer) => {
      for (const byte of chunk) if (byte === 10) answered++;
    });
    socket.write('{"method":"m"}\n'.repeat(asked));
    const other = await client(server.path);
    other.write('{"method":"other"}\n');
    const before = (await lines(other, 1).then(() => answered)) < asked;
    other.destroy();
    // However long that takes beside other work.
    const all = (): boolean => answered === asked;
    while (!all()) await once(socket, 'data');
    socket.destroy();
    expect([before, answered]).toEqual([true, asked]);
  });

  it('that nobody reads end the connection, and no other', async () => {
    await using server = serve({ patience: 1000, answer: () => 'x'.repeat(1 << 20) });
    const deaf = await client(server.path);
    deaf.pause();
    deaf.write('{"method":"m"}\n'.repeat(20));
    const other = await client(server.path);
    await until(() => server.clients === 1);
    other.write('{"method":"m"}\n');
    const [found] = await lines(other, 1);
    deaf.destroy();
    other.destroy();
    expect(found).toMatchObject({ result: expect.stringMatching(/^x+$/) });
  });

  it('are for so many clients at once', async () => {
    await using server = serve({ maxClients: 2 });
    const clients = [await client(server.path), await client(server.path)];
    const late = await client(server.path);
    const [refused] = await lines(late, 1);
    clients[0].write('{"method":"m"}\n');
    const [answer] = await lines(clients[0], 1);
    for (const each of clients) each.destroy();
    expect([refused, answer]).toMatchObject([{ error: { code: 'VIO_TEST' } }, { result: { method: 'm' } }]);
  });

  it('may be followed by bytes, until the client leaves', async () => {
    let ended = false;
    async function* bytes(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          yield Buffer.from('abc');
          await new Promise((resolve) => setImmediate(resolve));
        }
      } finally {
        ended = true;
      }
    }
    await using server = serve({ answer: () => new LineStream({ begin: 1 }, bytes()) });
    const socket = await client(server.path);
    socket.write('{"id":1,"method":"s"}\n');
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    await until(() => text.length >= 100);
    socket.destroy();
    await until(() => ended);
    expect(text).toMatch(/^\{"id":1,"result":\{"begin":1\}\}\n(abc)+/);
  });

  it('that wait for something end when the client leaves, and not with the next of it', async () => {
    let ended = false;
    let end = (): void => {};
    const over = new Promise<void>((resolve) => (end = resolve));
    async function* bytes(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('first');
      await over;
      ended = true;
    }
    const waiting = Object.assign(bytes(), { [Symbol.dispose]: end });
    await using server = serve({ answer: () => new LineStream({ begin: 1 }, waiting) });
    const socket = await client(server.path);
    socket.write('{"id":1,"method":"s"}\n');
    await once(socket, 'data');
    socket.destroy();
    await until(() => ended);
    expect(ended).toBe(true);
  });
});
