// What `vio perf` says of programs that run.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Vio, jsonLines, listeningBackend, vio } from './vio.ts';

it('looks at both sides, and at how packets are moved between them', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'vio-perf-'));
  const [socket, ours, theirs] = ['vhost', 'run', 'backend'].map((name) => join(directory, `${name}.sock`));
  const backend = await listeningBackend([socket, '--telemetry', theirs]);
  const port = new Vio(['run', `path=${socket}`, '--forward-mode', 'flowgen', '--telemetry', ours]);
  await port.says(/pps/);
  const ended = await vio('perf', ours, theirs, '--duration', '0.3', '--json');
  await port.interrupt();
  await backend.interrupt();
  rmSync(directory, { recursive: true });
  const checks = jsonLines<{ check: string; detail: string }>(ended).map(({ check }) => check);
  const [run, served] = [`run ${port.process.pid}`, `backend ${backend.process.pid}`];
  expect(ended.exitCode).toBe(0);
  expect(checks).toEqual(
    expect.arrayContaining([
      `${run}: waiting`,
      `${run}: throttled`,
      `${run}: pages`,
      `${served}: waiting`,
      `${run} and ${served}`,
    ]),
  );
});

it('finds what runs here by itself', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'vio-perf-'));
  const env = { XDG_RUNTIME_DIR: directory };
  const socket = join(directory, 'vhost.sock');
  const backend = await listeningBackend([socket], env);
  const port = new Vio(['run', `path=${socket}`, '--forward-mode', 'flowgen'], env);
  await port.says(/pps/);
  const ended = await new Vio(['perf', '--duration', '0.3', '--json'], env).ended;
  await port.interrupt();
  await backend.interrupt();
  rmSync(directory, { recursive: true });
  const checks = jsonLines<{ check: string }>(ended).map(({ check }) => check);
  const [run, served] = [`run ${port.process.pid}`, `backend ${backend.process.pid}`];
  expect(checks).toEqual(
    expect.arrayContaining([`${run}: waiting`, `${served}: waiting`, `${run} and ${served}`]),
  );
});

it('says that nobody is there', async () => {
  const { exitCode, stderr } = await vio('perf', '/nowhere.sock');
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining('VIO_TOP_NOTHING')]);
});
