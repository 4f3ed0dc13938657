// What a running port, and a running backend, tell of themselves.
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { VhostDriver } from '@vio/vhost';
import { EchoBackend } from '@vio/vhost/testing';
import { scratchDirectory } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { openVirtioUser } from './open.ts';

const directory = scratchDirectory('telemetry');
let count = 0;
const place = (): string => join(directory, `${count++}.sock`);

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly code: string };
}

/** Asks, and gives back the answers; the greeting comes first. */
async function ask(path: string, ...requests: string[]): Promise<Answer[]> {
  const socket = connect(path);
  socket.write(requests.map((request) => `${request}\n`).join(''));
  const answers: Answer[] = [];
  for await (const line of createInterface({ input: socket })) {
    answers.push(JSON.parse(line) as Answer);
    if (answers.length > requests.length) break;
  }
  socket.destroy();
  return answers;
}

const frame = Buffer.alloc(64, 2);

describe('a port', () => {
  it('tells who it is, what it counts and how full its rings are', async () => {
    await using backend = await new EchoBackend().start();
    await using port = await openVirtioUser({ path: backend.path });
    const { path } = port.serveTelemetry(place());
    const arriving = port.packets().next();
    await port.send(frame);
    await arriving;
    const [greeting, list, info, stats, xstats, link, rings, paths] = await ask(
      path,
      '/ethdev/list',
      '/ethdev/info,0',
      '/ethdev/stats,0',
      '/ethdev/xstats,0',
      '/ethdev/link_status,0',
      '/vio/rings,0',
      '/vio/paths,0',
    );
    expect(greeting).toMatchObject({ protocol: 1, pid: process.pid });
    expect(list.result).toEqual([0]);
    expect(info.result).toMatchObject({ port_id: 0, mac_addr: port.mac, nb_rx_queues: 1 });
    expect(stats.result).toMatchObject({ ipackets: 1, opackets: 1, ibytes: 64, q_ipackets: [1] });
    expect(xstats.result).toEqual(port.stats());
    expect(link.result).toMatchObject({ status: 'UP' });
    expect(rings.result).toMatchObject([
      { name: 'receiveq0', size: 256, inUse: port.rx[0].queue.outstanding },
      { name: 'transmitq0', size: 256 },
    ]);
    expect(paths.result).toMatchObject({ rx: { path: port.paths.rx.path } });
  });

  it('tells what happened since a cursor', async () => {
    await using backend = await new EchoBackend().start();
    await using port = await openVirtioUser({ path: backend.path });
    const { path } = port.serveTelemetry(place());
    const [, first] = await ask(path, '/vio/events,0');
    const { cursor, events } = first.result as { cursor: number; events: object[] };
    port.setLink({ up: false });
    const [, later] = await ask(path, `/vio/events,${cursor}`);
    expect(events).toMatchObject([{ type: 'added' }]);
    expect(later.result).toMatchObject({ lost: 0, events: [{ type: 'link', data: { up: false } }] });
  });

  it('shows what passes', async () => {
    await using backend = await new EchoBackend().start();
    await using port = await openVirtioUser({ path: backend.path });
    const { path } = port.serveTelemetry(place());
    const socket = connect(path);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.write('/vio/capture,0,96\n');
    while (!Buffer.concat(chunks).includes('pcapng')) await once(socket, 'data');
    await port.send(frame);
    const seen = (): boolean => Buffer.concat(chunks).includes(frame);
    while (!seen()) await once(socket, 'data');
    socket.destroy();
    expect(seen()).toBe(true);
  });

  it.each([
    ['/ethdev/info', 'VIO_TELEMETRY_PARAMETER'],
    ['/ethdev/info,7', 'VIO_TELEMETRY_PORT'],
    ['/ethdev/info,-1', 'VIO_TELEMETRY_PARAMETER'],
    ['/toString', 'VIO_TELEMETRY_COMMAND'],
    ['{"method":"/ethdev/info","params":{"port":0}}', 'VIO_TELEMETRY_PARAMETER'],
    ['/vio/control,0,stats-reset', 'VIO_TELEMETRY_READ_ONLY'],
    ['/vio/capture,0,0', 'VIO_TELEMETRY_PARAMETER'],
  ])('answers %s with %s', async (request, code) => {
    await using backend = await new EchoBackend().start();
    await using port = await openVirtioUser({ path: backend.path });
    const { path } = port.serveTelemetry(place());
    const [, answer] = await ask(path, request);
    expect(answer.error?.code).toBe(code);
  });

  it('lets itself be changed where that is asked for', async () => {
    await using backend = await new EchoBackend().start();
    await using port = await openVirtioUser({ path: backend.path });
    const { path } = port.serveTelemetry(place(), { writable: true });
    await port.send(frame);
    const [, names, done, wrong] = await ask(
      path,
      '/vio/control,0',
      '/vio/control,0,stats-reset',
      '/vio/control,0,explode',
    );
    expect(names.result).toContain('promiscuous');
    expect(done.result).toEqual({ reset: true });
    expect(wrong.error?.code).toBe('VIO_TELEMETRY_PARAMETER');
    expect(port.stats()['tx_q0_good_packets']).toBe(0);
  });

  it('takes its socket with it', async () => {
    await using backend = await new EchoBackend().start();
    const port = await openVirtioUser({ path: backend.path });
    const { path } = port.serveTelemetry(place());
    await port.close();
    const socket = connect(path);
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ENOENT');
  });
});

describe('the counters of a port', () => {
  it('have the names of DPDK for the whole port as well, and begin at 0 again', async () => {
    await using backend = await new EchoBackend().start();
    await using port = await openVirtioUser({ path: backend.path });
    const arriving = port.packets().next();
    await port.send(frame);
    await arriving;
    expect(Object.keys(port.xstats()).slice(0, 8)).toEqual([
      'rx_good_packets',
      'tx_good_packets',
      'rx_good_bytes',
      'tx_good_bytes',
      'rx_missed_errors',
      'rx_errors',
      'tx_errors',
      'rx_mbuf_allocation_errors',
    ]);
    expect(port.xstats()).toMatchObject({
      rx_good_packets: 1,
      tx_good_packets: 1,
      rx_good_bytes: 64,
      rx_q0_good_packets: 1,
    });
    port.resetStats();
    expect(port.xstats()).toMatchObject({ rx_good_packets: 0, tx_q0_good_bytes: 0, rx_q0_calls: 0 });
    await port.send(frame);
    expect(port.xstats()).toMatchObject({ tx_good_packets: 1 });
  });
});

describe('a backend', () => {
  it('tells of its devices as they come and go', async () => {
    await using driver = VhostDriver.register(place());
    await driver.start();
    const { path } = driver.serveTelemetry(place());
    const [, before] = await ask(path, '/ethdev/list');
    const port = await openVirtioUser({ path: driver.path });
    await port.send(frame);
    const [, during, rings] = await ask(path, '/vio/snapshot', '/vio/rings,0');
    await port.close();
    for (;;) {
      const [, after, events] = await ask(path, '/ethdev/list', '/vio/events,0');
      if ((after.result as number[]).length > 0) continue;
      expect(events.result).toMatchObject({ events: [{ type: 'added' }, { type: 'removed' }] });
      break;
    }
    expect(before.result).toEqual([]);
    expect(during.result).toMatchObject({ ports: [{ id: 0, kind: 'device', link: { status: 'UP' } }] });
    expect(rings.result).toMatchObject([{ name: 'receiveq0' }, { name: 'transmitq0', inUse: 1 }]);
  });
});
