// `vio run` with several ports, each on a backend of its own.
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allowedCpus } from '../support/cpus.ts';
import { Vio, jsonLines, startBackend, vio } from './vio.ts';

let directory: string;
const running: Vio[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vio-ports-'));
});
afterEach(async () => {
  for (const one of running.splice(0)) await one.interrupt();
  rmSync(directory, { recursive: true });
});

/** A backend for each mode; their sockets. */
async function backends(...modes: string[]): Promise<string[]> {
  const sockets = modes.map((_, i) => join(directory, `${i}.sock`));
  for (const [i, mode] of modes.entries()) {
    await startBackend(running, sockets[i], '--queues', '2', '--forward-mode', mode, '--no-telemetry');
  }
  return sockets;
}

/** What every port moved. */
async function moved(...args: string[]): Promise<{ received: number; sent: number }[]> {
  const ended = await vio('run', ...args, '--json', '--xstats', '--no-telemetry', '--duration', '0.5');
  expect(ended).toMatchObject({ exitCode: 0, stderr: '' });
  return jsonLines(ended)
    .filter(({ type }) => type === 'xstats')
    .map(({ xstats }) => {
      const counted = xstats as Record<string, number>;
      return { received: counted['rx_good_packets'], sent: counted['tx_good_packets'] };
    });
}

describe('several ports', () => {
  it('in pairs forward from one memory to the other', async () => {
    const [from, to] = await backends('txonly', 'rxonly');
    const [first, second] = await moved(`path=${from}`, '--vdev', `net_virtio_user1,path=${to}`);
    expect([first.received > 0, first.sent, second.received, second.sent > 0]).toEqual([true, 0, 0, true]);
    expect(second.sent).toBeLessThanOrEqual(first.received);
  });

  it('in a loop forward to themselves', async () => {
    const [one, other] = await backends('txonly', 'rxonly');
    const [first, second] = await moved(`path=${one}`, `path=${other}`, '--port-topology', 'loop');
    expect([first.sent > 0, second.received, second.sent]).toEqual([true, 0, 0]);
  });

  it('in a chain forward to the next', async () => {
    const sockets = await backends('rxonly', 'rxonly', 'txonly');
    const ports = await moved(...sockets.map((path) => `path=${path}`), '--port-topology', 'chained');
    expect(ports.map(({ received, sent }) => [received > 0, sent > 0])).toEqual([
      [false, true],
      [false, false],
      [true, false],
    ]);
  });

  it('have the queues that --rxq and --txq say, on which --tx-first begins', async () => {
    const sockets = await backends('io', 'io');
    const devargs = sockets.map((path) => `path=${path}`);
    const sizes = ['--rxq=2', '--txq=2', '--rxd=512', '--txd=1024'];
    const how = ['--tx-first', '--burst=16', '--json', '--no-telemetry', '--duration=0.3'];
    const ended = await vio('run', ...devargs, ...sizes, ...how);
    const lines = jsonLines<{ type: string; port?: number; rings?: { size: number }[]; received?: number }>(
      ended,
    );
    const ports = lines.filter(({ type }) => type === 'port');
    expect(ports.map(({ port, rings = [] }) => [port, rings.map(({ size }) => size)])).toEqual([
      [0, [512, 1024, 512, 1024]],
      [1, [512, 1024, 512, 1024]],
    ]);
    expect(lines.find(({ type }) => type === 'total')?.received).toBeGreaterThanOrEqual(4 * 16);
  });

  it('are forwarded by threads, whose counters are those of the ports', async () => {
    const [from, to] = await backends('txonly', 'rxonly');
    const ports = [`path=${from}`, `path=${to}`];
    const [first, second] = await moved(...ports, '--rxq=2', '--txq=2', '--nb-cores=2');
    expect([first.received > 0, first.sent, second.received, second.sent > 0]).toEqual([true, 0, 0, true]);
  });

  it('are forwarded by threads that have a CPU each, of those that there are', async () => {
    const [path] = await backends('io');
    const cpus = allowedCpus().slice(0, 3);
    const threads = Math.max(2, cpus.length);
    const lcores = ['--lcores', [...cpus, 4095].join(','), '--nb-cores', String(threads)];
    const port = new Vio(['run', `path=${path}`, '--rxq=2', ...lcores, '--no-telemetry']);
    await port.says(/pps/);
    const tasks = `/proc/${port.process.pid}/task`;
    const pinned = readdirSync(tasks)
      .map(
        (task) => /^Cpus_allowed_list:\s+(.*)$/m.exec(readFileSync(`${tasks}/${task}/status`, 'utf8'))?.[1],
      )
      .filter((list) => /^\d+$/.test(list ?? ''));
    await port.interrupt();
    expect([...new Set(pinned.map(Number))].toSorted((a, b) => a - b)).toEqual(cpus);
  });

  it('of which one cannot be had end the program, and leave no socket behind', async () => {
    const [one] = await backends('io');
    const ended = await vio('run', `path=${one}`, `path=${one}-is-not-there`);
    expect(ended).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('VIO_SOCKET_MISSING') });
  });
});
