// `vio switch run` with sockets that somebody has made for it, as systemd does: descriptors from 3 on, and who they are for.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { UnixListener } from '@vio/native';
import { callSwitch } from '@vio/switch/client';
import { scratchDirectory } from '@vio/test-support';
import { afterEach, describe, expect, it } from 'vitest';
import { vioProgram } from '../support/vio-program.ts';

const directory = scratchDirectory('activation');
const config = join(directory, 'switch.json');
writeFileSync(config, JSON.stringify({ bridges: [{ name: 'br0' }] }));

const listeners: UnixListener[] = [];
const children: ChildProcess[] = [];

afterEach(async () => {
  await Promise.all(children.splice(0).map(end));
  for (const listener of listeners.splice(0)) listener.close();
});

let serial = 0;
/** What systemd listens on, and goes on to. */
function socket(): UnixListener {
  const listener = UnixListener.listen(join(directory, `${serial++}.sock`));
  listeners.push(listener);
  return listener;
}

interface Activation {
  readonly names: string;
  readonly sockets: readonly UnixListener[];
  /** LISTEN_PID in place of the process's own. */
  readonly pid?: string;
}

/** Starts it as systemd does: the variables name the process, which no shell is between. */
function start({ names, sockets, pid = '$$' }: Activation, ...more: readonly string[]): ChildProcess {
  const script = `LISTEN_PID=${pid} exec "$@"`;
  const args = [
    process.execPath,
    vioProgram,
    'switch',
    'run',
    '--config',
    config,
    '--json',
    '--no-telemetry',
    ...more,
  ];
  const child = spawn('sh', ['-c', script, 'sh', ...args], {
    env: { ...process.env, LISTEN_FDS: String(sockets.length), LISTEN_FDNAMES: names },
    stdio: ['ignore', 'pipe', 'pipe', ...sockets.map(({ fd }) => fd)],
  });
  children.push(child);
  return child;
}

async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGTERM');
    await once(child, 'close');
  }
  return child.exitCode;
}

function get(socketPath: string, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    request(
      { socketPath, path },
      (response) => void text(response).then((body) => resolve(JSON.parse(body)), reject),
    )
      .on('error', reject)
      .end();
  });
}

describe('a switch whose sockets are passed', () => {
  it('answers who has asked before it was there, on both of them', async () => {
    const [control, http] = [socket(), socket()];
    const asked = callSwitch(control.path, 'health', {}, { timeout: 30_000 });
    const seen = get(http.path, '/health');
    start({ names: 'control:http', sockets: [control, http] });
    expect(await asked).toMatchObject({ status: 'ok' });
    expect(await seen).toMatchObject({ status: 'ok' });
  });

  it('leaves them where they are: who asks while it starts again waits', async () => {
    const control = socket();
    for (const port of ['a', 'b']) {
      const child = start({ names: 'control', sockets: [control] });
      const added = { name: port, bridge: 'br0', socket: join(directory, `${port}.sock`) };
      expect(await callSwitch(control.path, 'add-port', added, { timeout: 30_000 })).toMatchObject({
        name: port,
      });
      expect([await end(child), existsSync(control.path)]).toEqual([0, true]);
    }
  });

  it('says where they are, and takes them in the place of what was configured', async () => {
    const control = socket();
    const unused = join(directory, 'unused.sock');
    const child = start({ names: 'control', sockets: [control] }, '--control', unused);
    const [line] = (await once(child.stdout ?? child, 'data')) as [Buffer];
    expect([JSON.parse(String(line)), existsSync(unused)]).toMatchObject([{ control: control.path }, false]);
  });

  it('does not take what is for another process', async () => {
    const [control, own] = [socket(), join(directory, 'own.sock')];
    const child = start({ names: 'control', sockets: [control], pid: '1' }, '--control', own);
    await once(child.stdout ?? child, 'data');
    expect(await callSwitch(own, 'health')).toMatchObject({ status: 'ok' });
  });

  it.each([
    ['a name that says nothing', 'unknown'],
    ['no name', ''],
    ['one name twice', 'control:control'],
  ])('refuses %s: who connects there would wait for ever', async (_, names) => {
    const child = start({ names, sockets: names.includes(':') ? [socket(), socket()] : [socket()] });
    const said = child.stdout === null ? '' : await text(child.stdout);
    expect(said).toContain('VIO_SWITCH_ACTIVATION');
  });
});
