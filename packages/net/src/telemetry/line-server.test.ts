import { once } from 'node:events';
import { statSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { scratchDirectory, turns, until } from '@vio/test-support';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { LineStream } from './line-connection.ts';
import { LineServer, type LineServerOptions } from './line-server.ts';

const directory = scratchDirectory('lines');
/** All the time there is, and more: nobody waits for his turn, however slow this machine is. */
const plenty = 100;
let count = 0;

function serve(options: Partial<LineServerOptions> = {}): LineServer {
  return LineServer.listen(join(directory, `${count++}.sock`), {
    code: 'VIO_TEST',
    answer: ({ method, params }) => ({ method, params }),
    share: plenty,
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
      await turns(1);
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

  it('are answered one in a turn of the event loop, however many clients ask: whoever polls does so in between', async () => {
    let polls = 0;
    const atPolls: number[] = [];
    await using server = serve({ answer: () => atPolls.push(polls) });
    const clients = await Promise.all(Array.from({ length: 8 }, () => client(server.path)));
    for (const each of clients) {
      each.on('data', () => each.write('{"method":"m"}\n'));
      each.write('{"method":"m"}\n');
    }
    for (; atPolls.length < 1000; polls++) await turns(1);
    for (const each of clients) each.destroy();
    expect(new Set(atPolls.slice(0, 1000)).size).toBe(1000);
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

  it('that come byte by byte, and are never whole, end the connection', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await using server = serve({ idle: 60_000 });
    const slow = await client(server.path);
    await turnsUntil(() => server.clients === 1);
    let seconds = 0;
    for (; seconds < 600 && !slow.closed; seconds++) {
      slow.write('x');
      await turns(4);
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(server.clients).toBe(0);
    // One of them may be on its way.
    expect([60, 61, 62]).toContain(seconds);
  });

  it('keep the connection, each for a while', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await using server = serve({ idle: 60_000 });
    const patient = await client(server.path);
    for (let i = 0; i < 5; i++) {
      patient.write('{"method":"m"}\n');
      await once(patient, 'data');
      await vi.advanceTimersByTimeAsync(50_000);
    }
    const there = server.clients;
    patient.destroy();
    expect(there).toBe(1);
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
          await turns(1);
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

  it('may be followed by bytes for eight clients at once, and the ninth is told so', async () => {
    let ended = 0;
    const answer = (): LineStream => {
      let end = (): void => {};
      const over = new Promise<void>((resolve) => (end = resolve));
      async function* bytes(): AsyncGenerator<Uint8Array> {
        yield Buffer.from('bytes\n');
        await over;
      }
      const stop = (): void => {
        ended++;
        end();
      };
      return new LineStream({ begin: 1 }, Object.assign(bytes(), { [Symbol.dispose]: stop }));
    };
    await using server = serve({ answer });
    const ask = async (): Promise<[Socket, unknown]> => {
      const socket = await client(server.path);
      socket.write('{"method":"s"}\n');
      const [line] = (await once(socket, 'data')) as [Buffer];
      return [socket, JSON.parse(line.toString().split('\n')[0])];
    };
    const eight: [Socket, unknown][] = [];
    for (let i = 0; i < 8; i++) eight.push(await ask());
    const [ninth, refused] = await ask();
    const endedOfNinth = ended;
    ninth.write('{"method":"s"}\n');
    await once(ninth, 'data');
    eight[3][0].destroy();
    await until(() => ended >= 3);
    const [again, begun] = await ask();
    for (const [socket] of [...eight, [ninth], [again]]) socket.destroy();
    expect(refused).toMatchObject({ error: { code: 'VIO_TEST', retryable: true } });
    expect([endedOfNinth, begun]).toEqual([1, { result: { begin: 1 } }]);
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
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    socket.write('{"id":1,"method":"s"}\n');
    await until(() => text.endsWith('first'));
    socket.destroy();
    await until(() => ended);
    expect(ended).toBe(true);
  });
});

/** Waits without a timer. */
async function turnsUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await turns(1);
}

// What is saved up for those who ask now and then is 20 ms, and a piece of work counts as 0.03 ms at least.
describe('a thread that has no time left for them', () => {
  const nothing = 1e-12;

  it('answers no more than it has time for, and leaves the rest in the buffers of the kernel', async () => {
    await using server = serve({ share: nothing });
    const clients = await Promise.all(Array.from({ length: 8 }, () => client(server.path)));
    let answered = 0;
    for (const each of clients) {
      each.on('data', (chunk: Buffer) => {
        for (const byte of chunk) if (byte === 10) answered++;
      });
      each.write('{"method":"m"}\n'.repeat(100_000));
    }
    await turns(2000);
    const unread = clients.filter(({ writableLength }) => writableLength > 0).length;
    for (const each of clients) each.destroy();
    expect(answered).toBeLessThan(340);
    expect(unread).toBe(8);
  });

  it('reads no more than it has time for of those who never ask', async () => {
    await using server = serve({ share: nothing, maxRequest: 1 << 30 });
    const flooding = await client(server.path);
    flooding.write(Buffer.alloc(96 << 20, 'x'));
    await turns(2000);
    const unread = flooding.writableLength;
    flooding.destroy();
    expect(unread).toBeGreaterThan(0);
  });

  it('carries no more of a stream than it has time for, to a client that reads as fast as it can', async () => {
    let made = 0;
    async function* bytes(): AsyncGenerator<Uint8Array> {
      for (;;) {
        yield Buffer.alloc(1000);
        made++;
        await turns(1);
      }
    }
    await using server = serve({ share: nothing, answer: () => new LineStream({ begin: 1 }, bytes()) });
    const socket = await client(server.path);
    socket.write('{"method":"s"}\n');
    await once(socket.resume(), 'data');
    await turns(2000);
    socket.destroy();
    expect(made).toBeGreaterThan(0);
    expect(made).toBeLessThan(160);
  });

  it('lets in no more than it has time for of those who come and go', async () => {
    await using server = serve({ share: nothing, greeting: { hello: 1 } });
    let greeted = 0;
    let last: Socket | undefined;
    for (let i = 0; i < 1000; i++) {
      // A full backlog refuses them.
      const socket = connect(server.path).on('error', () => {});
      socket.once('data', () => {
        greeted++;
        socket.destroy();
      });
      last = socket;
      await turns(1);
    }
    await turns(100);
    last?.destroy();
    expect(greeted).toBeGreaterThan(0);
    expect(greeted).toBeLessThan(160);
  });
});

afterEach(() => void vi.useRealTimers());
