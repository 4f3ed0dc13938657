// `vio switch run` on two threads, one of which fails, ends, or stands still, while systemd and a kubelet look.
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UnrulyThreads, broadcast, frame, macOf, scratchDirectory, until } from '@vio/test-support';
import { openVirtioUser } from '@vio/virtio-user';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Vio, jsonLines, vio } from './vio.ts';

let directory: string;
let unruly: UnrulyThreads;
let daemon: Vio;
let url: string;
const at = (file: string): string => join(directory, file);

/** What systemd was told. */
const told = (): string[] =>
  existsSync(at('told')) ? readFileSync(at('told'), 'utf8').trim().split('\n') : [];

beforeEach(async () => {
  directory = scratchDirectory('threads');
  unruly = new UnrulyThreads(directory);
  // In the place of systemd's program.
  writeFileSync(at('systemd-notify'), `#!/bin/sh\necho "$@" >>${at('told')}\n`);
  chmodSync(at('systemd-notify'), 0o755);
  const ports = ['a', 'b', 'c'].map((name, i) => ({
    name,
    bridge: 'br0',
    socket: at(`${name}.sock`),
    worker: i % 2,
  }));
  const config = { control: at('control.sock'), http: 0, workers: 2, bridges: [{ name: 'br0' }], ports };
  writeFileSync(at('switch.json'), JSON.stringify(config));
  daemon = new Vio(['switch', 'run', '--config', at('switch.json'), '--json'], {
    NODE_OPTIONS: unruly.nodeOptions,
    PATH: `${directory}:${process.env['PATH']}`,
    NOTIFY_SOCKET: '/run/systemd/notify',
    WATCHDOG_USEC: '300000',
  });
  await daemon.says(/"ready"/);
  url = jsonLines<{ http: string }>({ exitCode: 0, stdout: daemon.stdout, stderr: '' })[0].http;
});
afterEach(() => {
  daemon.process.kill('SIGKILL');
});

async function health(path: string): Promise<{ code: number; status: string; stuck: number[] }> {
  const response = await fetch(`${url}${path}`);
  return { code: response.status, ...((await response.json()) as { status: string; stuck: number[] }) };
}

/** Until it is seen that a thread stands still. */
async function standing(): Promise<void> {
  for (let tries = 0; tries < 100; tries++) if ((await health('/health/live')).code === 503) return;
}

describe('vio switch run, when a thread of it', () => {
  it.each(['throw', 'exit'] as const)('ends by itself (%s), ends as well, and says so', async (what) => {
    unruly.become(what);
    const { exitCode, stdout } = await daemon.ended;
    expect([exitCode, stdout]).toEqual([1, expect.stringContaining('VIO_SWITCH_THREAD')]);
  });

  it('stands still, is unhealthy, has the watchdog not told, forwards what is left, and ends when it is asked to', async () => {
    expect([await health('/health'), await health('/health/live')]).toMatchObject([
      { code: 200, status: 'ok', stuck: [] },
      { code: 200, status: 'ok', stuck: [] },
    ]);
    await until(() => told().filter((word) => word === 'WATCHDOG=1').length > 1);
    unruly.become('hang');
    await standing();
    const before = told();
    expect([await health('/health'), await health('/health/live')]).toMatchObject([
      { code: 503, status: 'stuck', stuck: [1] },
      { code: 503, status: 'stuck', stuck: [1] },
    ]);
    expect([before.includes('WATCHDOG=1'), told()]).toEqual([true, before]);
    expect((await fetch(`${url}/metrics`)).status).toBe(200);
    const shown = await vio('switch', 'show', 'health', '--control', at('control.sock'));
    expect(shown.stdout).toContain('"stuck":[1]');
    await using a = await openVirtioUser({ path: at('a.sock') });
    await using c = await openVirtioUser({ path: at('c.sock') });
    const arrived = c.packets().next();
    const sent = frame(broadcast, macOf(1));
    await a.send(sent);
    expect((await arrived).value).toEqual(sent);
    const { exitCode } = await daemon.interrupt('SIGTERM');
    expect([exitCode, ['a.sock', 'c.sock', 'control.sock'].filter((file) => existsSync(at(file)))]).toEqual([
      0,
      [],
    ]);
  });

  it('waits in the kernel, where no thread can be ended, ends by a signal to itself', async () => {
    unruly.become('wait');
    await standing();
    daemon.process.kill('SIGTERM');
    await daemon.ended;
    expect([daemon.process.signalCode, existsSync(at('control.sock'))]).toEqual(['SIGKILL', false]);
  });
});
