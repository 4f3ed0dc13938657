// `vio run` against `vio backend`, in every mode.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { queueCounterNames, rxEventNames, txCounterNames, txEventNames } from '@vio/net/internal';
import { until } from '@vio/test-support/plain';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { vioProgram } from '../support/vio-program.ts';
import { type Ended, Vio, jsonLines, listeningBackend, startBackend, vio } from './vio.ts';

let directory: string;
let socket: string;
const running: Vio[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vio-cli-'));
  socket = join(directory, 'vhost.sock');
});
afterEach(async () => {
  for (const one of running.splice(0)) await one.interrupt();
  rmSync(directory, { recursive: true });
});

interface Total {
  readonly received: number;
  readonly sent: number;
  readonly dropped: number;
}

function totalOf(ended: Ended): Total {
  const total = jsonLines(ended).find(({ type }) => type === 'total') ?? {};
  return {
    received: Number(total['received']),
    sent: Number(total['sent']),
    dropped: Number(total['dropped']),
  };
}

/** Runs a port against a backend. @returns what both counted */
async function together(portArgs: string[], backendArgs: string[]): Promise<{ port: Total; backend: Total }> {
  const backend = await startBackend(running, socket, '--json', ...backendArgs);
  const port = await vio('run', `path=${socket}`, '--json', '--duration', '0.5', ...portArgs);
  expect(port).toMatchObject({ exitCode: 0, stderr: '' });
  await backend.says(/device-gone/);
  const ended = await backend.interrupt();
  expect(ended).toMatchObject({ exitCode: 0, stderr: '' });
  return { port: totalOf(port), backend: totalOf(ended) };
}

const mode = (name: string): string[] => ['--forward-mode', name];

describe('the modes of port and backend', () => {
  it.each(['io', 'macswap'])('flowgen gets its packets back from %s', async (name) => {
    const { port, backend } = await together(mode('flowgen'), mode(name));
    expect(port.received).toBeGreaterThan(0);
    expect(backend.received).toBe(backend.sent + backend.dropped);
    expect(port.received).toBeLessThanOrEqual(backend.sent);
  });

  it('txonly sends to rxonly, which sends nothing', async () => {
    const { port, backend } = await together(mode('txonly'), mode('rxonly'));
    expect([port.received, backend.sent]).toEqual([0, 0]);
    expect(backend.received).toBeGreaterThan(0);
    expect(backend.received).toBeLessThanOrEqual(port.sent);
  });

  it('rxonly receives from txonly, and sends nothing', async () => {
    const { port, backend } = await together(mode('rxonly'), mode('txonly'));
    expect([port.sent, backend.received]).toEqual([0, 0]);
    expect(port.received).toBeGreaterThan(0);
    expect(port.received).toBeLessThanOrEqual(backend.sent);
  });

  it('io sends back what a flowgen backend sends', async () => {
    const { port, backend } = await together(mode('io'), mode('flowgen'));
    expect(backend.received).toBeGreaterThan(0);
    expect(port.received).toBe(port.sent + port.dropped);
  });

  it('jumbo frames go both ways', async () => {
    const { port } = await together([...mode('flowgen'), '--txpkts', '9000'], mode('io'));
    expect(port.received).toBeGreaterThan(0);
  });

  it('several queue pairs are all served', async () => {
    await startBackend(running, socket, '--queues', '3');
    const devargs = `path=${socket},queues=3`;
    const port = await vio('run', devargs, '--json', '--xstats', '--duration', '0.5', ...mode('flowgen'));
    const line = jsonLines(port).find(({ type }) => type === 'xstats');
    const xstats = line?.['xstats'] as Record<string, number>;
    const served = [0, 1, 2].filter((pair) => xstats[`rx_q${pair}_good_packets`] > 0);
    expect(served).toEqual([0, 1, 2]);
  });

  it('a listening port is served by a backend that connects', async () => {
    const port = vio('run', `path=${socket},server=1`, '--json', '--duration', '0.5', ...mode('flowgen'));
    const backend = new Vio(['backend', socket, '--client']);
    running.push(backend);
    expect(totalOf(await port).received).toBeGreaterThan(0);
  });
});

describe('--json', () => {
  it('of run gives the port, rates, the total and the extended statistics', async () => {
    await startBackend(running, socket);
    const period = ['--duration', '0.5', '--stats-period', '0.2'];
    const port = await vio('run', `path=${socket}`, '--json', '--xstats', ...period);
    const lines = jsonLines(port);
    const rates = {
      seconds: expect.any(Number),
      rxPps: expect.any(Number),
      txPps: expect.any(Number),
      rxBps: expect.any(Number),
      txBps: expect.any(Number),
      queues: [expect.objectContaining({ name: 'q0', rxPps: expect.any(Number), txBps: expect.any(Number) })],
      received: expect.any(Number),
      sent: expect.any(Number),
      dropped: expect.any(Number),
    };
    expect(lines[0]).toMatchObject({ type: 'port', mask: expect.stringMatching(/^0x[0-9a-f]+$/) });
    expect(lines).toContainEqual({ type: 'rates', ...rates });
    expect(lines.slice(-2)).toEqual([
      { type: 'total', ...rates },
      { type: 'xstats', xstats: expect.objectContaining({ rx_q0_good_packets: 0, tx_q0_good_bytes: 0 }) },
    ]);
  });

  it('of backend tells who comes and goes', async () => {
    const backend = await startBackend(running, socket, '--json');
    await vio('run', `path=${socket},mrg_rxbuf=0`, '--duration', '0.1');
    await backend.says(/device-gone/);
    const told = jsonLines(await backend.interrupt()).filter(({ type }) => type !== 'rates');
    expect(told).toMatchObject([
      { type: 'listening', path: socket, client: false },
      { type: 'device', vid: 0, features: expect.arrayContaining(['VERSION_1', 'IN_ORDER']) },
      { type: 'device-gone', vid: 0 },
      { type: 'total' },
    ]);
  });
});

describe('text', () => {
  it('has no escape sequences where colour is not wanted, nor where it is forced', async () => {
    await startBackend(running, socket);
    for (const env of [{ NO_COLOR: '1' }, { NO_COLOR: undefined, FORCE_COLOR: '1' }]) {
      const { stdout, stderr } = await new Vio(['run', `path=${socket}`, '--duration', '0.1'], env).ended;
      expect((stdout + stderr).includes('\u001b')).toBe(false);
    }
  });

  it("of --xstats is one line for each of DPDK's names, and for each of ours", async () => {
    await startBackend(running, socket);
    const { stdout } = await vio('run', `path=${socket}`, '--xstats', '--duration', '0.1');
    expect(stdout.match(/^[rt]x_q0_\w+: \d+$/gm)).toHaveLength(
      [queueCounterNames, rxEventNames, txCounterNames, txEventNames].flat().length,
    );
  });
});

describe('an interrupted', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'backend ends with 0 on %s, with its total and without its socket',
    async (signal) => {
      const backend = await startBackend(running, socket);
      const { exitCode, stdout, stderr } = await backend.interrupt(signal);
      expect([exitCode, stderr, readdirSync(directory)]).toEqual([0, '', []]);
      expect(stdout).toMatch(/^total /m);
    },
  );

  it('backend whose terminal is closed ends by SIGHUP, without its socket', async () => {
    const code = join(directory, 'code');
    // The shell outlives the terminal, and writes down how what it called has ended.
    const line = `trap '' HUP; '${process.execPath}' '${vioProgram}' backend '${socket}'; echo $? > '${code}'`;
    const terminal = spawn('script', ['-qec', line, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] });
    await once(terminal.stdout, 'data');
    await until(() => existsSync(socket));
    terminal.kill('SIGKILL');
    await until(() => existsSync(code) && readFileSync(code, 'utf8') !== '');
    expect([readFileSync(code, 'utf8'), existsSync(socket)]).toEqual(['129\n', false]);
  });

  it('port ends with 0, with its total, and the backend sees it go', async () => {
    const backend = await startBackend(running, socket);
    const port = new Vio(['run', `path=${socket}`]);
    await port.says(/receiveq0/);
    const { exitCode, stdout, stderr } = await port.interrupt();
    await backend.says(/device 0: gone/);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^total /m);
  });

  it.each([
    ['run', 'SIGINT', 130],
    ['inspect', 'SIGTERM', 143],
    ['run', 'SIGHUP', 129],
  ] as const)(
    '%s that still waits for its backend ends by %s with %i and without its socket',
    async (command, signal, exitCode) => {
      const waiting = new Vio([command, `path=${socket},server=1`, '--timeout', '60000']);
      while (readdirSync(directory).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      expect([await waiting.interrupt(signal), readdirSync(directory)]).toEqual([
        { exitCode, stdout: '', stderr: '' },
        [],
      ]);
    },
  );

  it('pipe ends the program quietly', async () => {
    const backend = await listeningBackend([socket, '--stats-period', '0.05']);
    backend.process.stdout?.destroy();
    expect(await backend.ended).toMatchObject({ exitCode: 0, stderr: '' });
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('a backend that goes away', () => {
  it('ends the port with 1 and says so', async () => {
    const backend = await startBackend(running, socket);
    const port = new Vio(['run', `path=${socket}`]);
    await port.says(/receiveq0/);
    backend.process.kill('SIGKILL');
    const { exitCode, stderr } = await port.ended;
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^vio: .+\n {2}remedy: .+\n {2}code: VIO_\w+\n$/);
  });
});
