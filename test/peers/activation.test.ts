// systemd's own program that passes sockets: it listens, and becomes the switch when the first one connects.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { callSwitch } from '@vio/switch/client';
import { scratchDirectory, until } from '@vio/test-support';
import { afterEach, expect, it } from 'vitest';
import { vioProgram } from '../support/vio-program.ts';

const directory = scratchDirectory('activation');
let child: ChildProcess | undefined;

afterEach(async () => {
  if (child === undefined) return;
  child.kill('SIGTERM');
  await once(child, 'close');
});

/** Not only bound, which its file shows: until it listens, connections are refused. */
const listens = (path: string): boolean =>
  readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[3] === '00010000' && line.endsWith(` ${path}`));

it('starts a switch for who asks, and for who looks by TCP', async () => {
  const control = join(directory, 'control.sock');
  const config = join(directory, 'switch.json');
  writeFileSync(config, JSON.stringify({ bridges: [{ name: 'br0' }] }));
  const port = 20_000 + (process.pid % 20_000);
  const run = [process.execPath, vioProgram, 'switch', 'run', '--config', config, '--no-telemetry'];
  const sockets = [`--listen=${control}`, `--listen=127.0.0.1:${port}`, '--fdname=control:http'];
  child = spawn('systemd-socket-activate', [...sockets, ...run], { stdio: 'ignore' });
  await until(() => listens(control));
  expect(await callSwitch(control, 'health', {}, { timeout: 30_000 })).toMatchObject({ status: 'ok' });
  const answer = await fetch(`http://127.0.0.1:${port}/health`);
  expect([answer.status, await answer.json()]).toMatchObject([200, { status: 'ok' }]);
  // The page is for those alone who ask by the name of this machine.
  const foreign = connect(port, '127.0.0.1');
  foreign.end('GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n');
  const [said] = (await once(foreign, 'data')) as [Buffer];
  expect(String(said)).toMatch(/^HTTP\/1.1 (403|421)/);
});
