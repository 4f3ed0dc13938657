// `--metrics`: a scrape of a running port and of a running backend.
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, describe, expect, it } from 'vitest';
import { Vio, listeningBackend, vio } from './vio.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-metrics-'));
const socket = join(directory, 'vhost.sock');
const metricsSocket = join(directory, 'metrics.sock');
afterAll(() => rmSync(directory, { recursive: true }));

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly body: string;
}

function get(
  where: { readonly socketPath: string } | { readonly port: number },
  path: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ ...where, path }, (response) => {
      const { statusCode: status, headers } = response;
      void text(response).then((body) => resolve({ status, type: headers['content-type'], body }));
    });
    asking.on('error', reject).end();
  });
}

describe('--metrics', () => {
  it('serves the statistics of a port and of a backend', async () => {
    const backend = await listeningBackend([socket, '--metrics', '0']);
    const port = new Vio(['run', `path=${socket}`, '--metrics', metricsSocket]);
    await port.says(/receiveq0/);
    const [, tcp] = /metrics on http:\/\/127\.0\.0\.1:(\d+)\/metrics/.exec(backend.stdout) ?? [];
    const ofPort = await get({ socketPath: metricsSocket }, '/metrics');
    const ofBackend = await get({ port: Number(tcp) }, '/metrics');
    const elsewhere = await get({ port: Number(tcp) }, '/elsewhere');
    await port.interrupt();
    await backend.interrupt();
    expect([ofPort.status, ofPort.type]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    expect(ofPort.body).toContain(`vio_rx_good_packets_total{port="${socket}",queue="0"} 0\n`);
    expect(ofPort.body).toContain(`vio_link_up{port="${socket}"} 1\n`);
    expect(ofBackend.body).toContain(`vio_tx_guest_notifications_total{port="${socket} 0",queue="0"} 0\n`);
    expect(elsewhere.status).toBe(404);
  });

  it('says that the program is there before any port or device is', async () => {
    const port = new Vio([
      'run',
      `path=${join(directory, 'late.sock')}`,
      '--wait',
      '--metrics',
      metricsSocket,
    ]);
    await port.says(/^waiting/m);
    const { status, body } = await get({ socketPath: metricsSocket }, '/metrics');
    await port.interrupt();
    expect([status, body]).toEqual([
      200,
      expect.stringMatching(
        /^vio_up 1\n[^]*^vio_build_info\{version="[\d.]+",node="[\d.]+",arch="\w+"\} 1\n/m,
      ),
    ]);
  });

  it('is an error where nobody can listen', async () => {
    const { exitCode, stderr } = await vio('backend', socket, '--metrics', join(directory, 'no/such.sock'));
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('code: VIO_CLI_METRICS')]);
  });
});
