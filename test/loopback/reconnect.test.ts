// The backend process is killed in mid-traffic, again and again, and comes back: no buffer is lost, no packet arrives
// twice, and traffic goes on.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LinkState } from '@vio/net';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { heldBuffers, isBack, traffic } from '../support/traffic.ts';

const rounds = 5;
const directory = mkdtempSync(join(tmpdir(), 'vio-reconnect-'));
let socket = '';
let tests = 0;
const backendScript = new URL('../dist/loopback/echo-backend.js', import.meta.url);
afterAll(() => rmSync(directory, { recursive: true }));

/** A path nobody has used: a socket outlives who was killed on it. */
beforeEach(() => {
  socket = join(directory, `${tests++}.sock`);
});

let backend: ChildProcess | undefined;
let port: VirtioUserPort | undefined;
afterEach(async () => {
  await port?.close();
  backend?.kill('SIGKILL');
});

async function startBackend(role: 'client' | 'server'): Promise<ChildProcess> {
  const child = fork(backendScript, [socket, '1', role]);
  backend = child;
  await once(child, 'message');
  return child;
}

/** Frames a backend has taken from its driver and not given back, when it is killed: one burst. */
const inTheHands = 64;

describe.each(
  [true, false].flatMap((inflight) => [
    { role: 'connecting', server: 0, rest: 'packed_vq=0,in_order=0', inflight },
    { role: 'connecting', server: 0, rest: 'packed_vq=1,in_order=0', inflight },
    { role: 'listening', server: 1, rest: 'packed_vq=0,in_order=1', inflight },
    { role: 'listening', server: 1, rest: 'packed_vq=1,in_order=1', inflight },
  ]),
)('a port that is $role, $rest, inflight: $inflight', ({ server, rest, inflight }) => {
  const backendRole = server === 1 ? 'client' : 'server';
  const devargs = () => `net_virtio_user0,path=${socket},server=${server},${rest}`;

  async function open(): Promise<VirtioUserPort> {
    const options = { reconnect: { minDelay: 20, maxDelay: 100, inflight } };
    if (server === 0) await startBackend(backendRole);
    const opening = openVirtioUser(devargs(), options);
    if (server === 1) await startBackend(backendRole);
    port = await opening;
    return port;
  }

  it(`goes on after each of ${rounds} kills under load`, async () => {
    const opened = await open();
    const links: boolean[] = [];
    opened.on('link', ({ up }: LinkState) => links.push(up));
    const flow = traffic(opened);
    for (let round = 0; round < rounds; round++) {
      await sleep(30);
      const back = isBack(opened);
      backend?.kill('SIGKILL');
      const before = flow.seen.size;
      await startBackend(backendRole);
      expect((await back).resumed).toBe(inflight);
      while (flow.seen.size < before + 100) await sleep(5);
    }
    await flow.settle();

    expect(opened.reconnects).toBe(rounds);
    expect(links).toEqual(Array.from({ length: 2 * rounds }, (_, i) => i % 2 === 1));
    expect([...flow.seen.values()].every((times) => times === 1)).toBe(true);
    expect([...flow.seen.keys()].every((number) => number >= 0 && number < flow.sent)).toBe(true);
    expect(heldBuffers(opened)).toBe(opened.pool.count);
    const lost = opened.tx[0].lost;
    expect(inflight ? lost : 0).toBe(0);
    expect(flow.sent - flow.seen.size).toBeLessThanOrEqual(lost + rounds * inTheHands);
  });

  it('closes while it is looking for its backend', async () => {
    const opened = await open();
    const down = new Promise<LinkState>((resolve) => opened.once('link', resolve));
    backend?.kill('SIGKILL');
    expect((await down).up).toBe(false);
    await opened.close();
    expect(opened.reconnects).toBe(0);
  });
});

it('gives up after the attempts it was given, and says so', async () => {
  await startBackend('server');
  const options = { reconnect: { minDelay: 1, maxDelay: 1, attempts: 3 } };
  port = await openVirtioUser(`net_virtio_user0,path=${socket}`, options);
  const reasons: (string | undefined)[] = [];
  const twice = new Promise<void>((resolve) =>
    port?.on('link', ({ reason }) => {
      reasons.push(reason?.code);
      if (reasons.length === 2) resolve();
    }),
  );
  backend?.kill('SIGKILL');
  await twice;
  expect(reasons).toEqual(['VIO_VHOST_DISCONNECTED', 'VIO_RECONNECT_GIVEN_UP']);
});
