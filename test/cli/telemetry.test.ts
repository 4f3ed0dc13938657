// What running commands show of themselves by their sockets.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Vio, listeningBackend } from './vio.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-telemetry-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** Asks once; the greeting comes before the answer. */
async function ask(path: string, request: string): Promise<unknown[]> {
  const socket = connect(path);
  socket.write(`${request}\n`);
  const lines: unknown[] = [];
  for await (const line of createInterface({ input: socket })) {
    lines.push(JSON.parse(line));
    if (lines.length === 2) break;
  }
  socket.destroy();
  return lines;
}

const question = '/vio/snapshot\n';

/** What clients without manners do once they are connected. */
const badManners: Readonly<Record<string, (socket: Socket) => void>> = {
  'says nonsense': (socket) => {
    for (let i = 0; i < 1000; i++) socket.write(`${randomBytes(64).toString('latin1')}\n`);
  },
  'begins a request that never ends': (socket) => {
    socket.write('x'.repeat(1 << 20));
  },
  'never reads': (socket) => {
    socket.pause();
    socket.write(question.repeat(10_000));
  },
  'sends a byte now and then': (socket) => {
    let at = 0;
    const timer = setInterval(() => socket.write(question[at++ % question.length]), 50);
    socket.on('close', () => clearInterval(timer));
  },
  'asks a hundred thousand things': (socket) => {
    socket.resume();
    socket.write(question.repeat(100_000));
  },
  'asks again as soon as it is answered': (socket) => {
    socket.on('data', () => socket.write(question));
  },
};

describe('telemetry, when it is asked by somebody who', () => {
  const socket = join(directory, 'asked.sock');
  const place = join(directory, 'asked-run.sock');
  let backend: Vio;
  let port: Vio;
  beforeAll(async () => {
    backend = await listeningBackend([socket, '--no-telemetry']);
    port = new Vio(['run', `path=${socket}`, '--forward-mode', 'flowgen', '--telemetry', place]);
    await port.says(/pps/);
  });
  afterAll(async () => {
    await port.interrupt();
    await backend.interrupt();
  });

  const sent = async (): Promise<number> => {
    const [, { result }] = (await ask(place, '/ethdev/stats,0')) as { result: { opackets: number } }[];
    return result.opackets;
  };

  it.each(Object.entries(badManners))(
    '%s, sends packets all the same, and answers others',
    async (_, misbehave) => {
      const clients = Array.from({ length: 8 }, () => connect(place).on('error', () => {}));
      await Promise.all(clients.map((client) => once(client, 'connect')));
      for (const client of clients) misbehave(client);
      const before = await sent();
      for (let more = 0; more < 100_000;) more = (await sent()) - before;
      for (const client of clients) client.destroy();
      expect(port.process.exitCode).toBe(null);
    },
  );
});

describe('the telemetry of commands', () => {
  it('is there for both sides, with bursts of the forwarder', async () => {
    const socket = join(directory, 'vhost.sock');
    const [ours, theirs] = ['run.sock', 'backend.sock'].map((name) => join(directory, name));
    const backend = new Vio(['backend', socket, '--telemetry', theirs]);
    await backend.says(/telemetry on .*\n(.*\n)*.*vhost-user backend on/);
    const port = new Vio(['run', `path=${socket}`, '--forward-mode', 'flowgen', '--telemetry', ours]);
    await port.says(/pps/);
    const [greeting, snapshot] = await ask(ours, '/vio/snapshot');
    const [, other] = await ask(theirs, '/vio/snapshot');
    expect(greeting).toMatchObject({ command: 'run', pid: port.process.pid });
    expect(snapshot).toMatchObject({
      result: { ports: [{ name: socket, stats: { rx_q0_bursts: expect.any(Number) } }] },
    });
    expect(other).toMatchObject({ result: { ports: [{ kind: 'device', link: { status: 'UP' } }] } });
    expect(statSync(ours).mode & 0o777).toBe(0o600);
    await port.interrupt();
    await backend.interrupt();
  });

  it('has a usual place, below the runtime directory of whoever is not root', async () => {
    const socket = join(directory, 'usual.sock');
    const backend = await listeningBackend([socket], { XDG_RUNTIME_DIR: directory });
    const root = process.getuid?.() === 0;
    const place = join(root ? '/run' : directory, 'vio', `backend-${backend.process.pid}.sock`);
    expect(statSync(place).isSocket()).toBe(true);
    await backend.interrupt();
    expect(() => statSync(place)).toThrow('ENOENT');
  });

  it('is left out when it is not wanted, and an error where it cannot be', async () => {
    const socket = join(directory, 'none.sock');
    const backend = await listeningBackend([socket, '--no-telemetry']);
    const place = join('/run/vio', `backend-${backend.process.pid}.sock`);
    expect(() => statSync(place)).toThrow('ENOENT');
    await backend.interrupt();
    const wrong = await new Vio(['backend', socket, '--telemetry', '/nowhere/x.sock']).ended;
    expect([wrong.exitCode, wrong.stderr]).toEqual([1, expect.stringContaining('VIO_SOCKET_MISSING')]);
  });
});
