// Every example runs as its README says and does what it promises.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readPcap } from '@vio/net';
import { afterAll, describe, expect, it } from 'vitest';
import { Vio } from '../cli/vio.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const scratch = mkdtempSync(join(tmpdir(), 'vio-examples-'));
const run = promisify(execFile);

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const example = (name: string, ...args: string[]) =>
  run(process.execPath, [join(root, 'examples', name, 'dist/main.js'), ...args], { timeout: 60_000 });

describe('echo', () => {
  it('gets back every frame it sent, but for those the backend had no room for', async () => {
    const { stdout } = await example('echo', '0.3');
    const [, sent] = /sent\s+(\d+)/.exec(stdout) ?? [];
    const [, received] = /received\s+(\d+)/.exec(stdout) ?? [];
    expect(Number(received)).toBeGreaterThan(0);
    expect(Number(received)).toBeLessThanOrEqual(Number(sent) + 512);
  });
});

describe('pcap-replay', () => {
  it('brings a real capture back unchanged', async () => {
    const input = join(root, 'test/captures/real.pcap');
    const output = join(scratch, 'out.pcap');
    await example('pcap-replay', input, output);
    const frames = (file: string) =>
      readPcap(readFileSync(file)).packets.map((p) => Buffer.from(p.bytes).toString('hex'));
    expect(frames(output)).toEqual(frames(input));
  });
});

describe('own-transport', () => {
  it('gets back every frame from the device in its process', async () => {
    const { stdout } = await example('own-transport', '100');
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('100 of 100 frames came back as they went');
  });
});

describe('worker-queues', () => {
  it('has every frame come back to the worker that sent it', async () => {
    const { stdout } = await example('worker-queues', '3', '0.3');
    const reports = [
      ...stdout.matchAll(/queue pair (\d): sent (\d+), received (\d+), of other queue pairs (\d+)/g),
    ];
    expect(reports.map(([, pair]) => pair)).toEqual(['0', '1', '2']);
    for (const [, , sent, received, strangers] of reports) {
      expect(Number(received)).toBeGreaterThan(0);
      expect(Number(received)).toBeLessThanOrEqual(Number(sent));
      expect(strangers).toBe('0');
    }
  });
});

describe('power-forward', () => {
  it('sleeps when nothing comes, and forwards when something does', async () => {
    const { stdout } = await example('power-forward', '0.3');
    const turns = [...stdout.matchAll(/(busy|idle): \S+ % of a CPU, (\d+) frames, (\d+) polls/g)];
    expect(turns.map(([, kind]) => kind)).toEqual(['idle', 'busy', 'idle', 'busy']);
    // Whoever sleeps does not poll, not even once.
    for (const [, kind, frames, polls] of turns)
      expect([Number(frames) > 0, Number(polls) > 0]).toEqual([kind === 'busy', kind === 'busy']);
  });

  it.each([
    ['-l 0-1 VDEV0 -- -p 1 -P --config="(0,0,1)" --no-numa --parse-ptype', [1]],
    ['-l 0-2 VDEV0 VDEV1 -- -p 3 --config=(0,0,1),(0,1,2),(1,0,1),(1,1,2) --parse-ptype', [1, 2]],
  ])("takes l3fwd-power's command line: %s", async (line, lcores) => {
    const sockets = [0, 1].map((number) => join(scratch, `power-${lcores.length}-${number}.sock`));
    const backends = sockets.map((path) => {
      const backend = ['backend', path, '--queues', '2', '--forward-mode', 'flowgen', '--no-telemetry'];
      return new Vio(backend);
    });
    try {
      for (const backend of backends) await backend.says(/vhost-user backend on/);
      const args = line
        .replaceAll('"', '')
        .replaceAll(/VDEV(\d)/g, (_, number: string) => `--vdev=path=${sockets[Number(number)]}`);
      const { stdout } = await example('power-forward', ...args.split(' '), '--duration', '0.5');
      const told = [...stdout.matchAll(/^lcore (\d): (\d+) frames, (\d+) IPv4, 0 IPv6, 0 other/gm)];
      expect(
        told.map(([, lcore, frames, ipv4]) => [Number(lcore), Number(frames) > 0, Number(ipv4) > 0]),
      ).toEqual(lcores.map((lcore) => [lcore, true, true]));
    } finally {
      for (const backend of backends) await backend.interrupt();
    }
  });
});

describe('containers', () => {
  it('talk through the switch, and see no network and nobody else', async () => {
    const { stdout } = await example('containers', '200');
    expect(stdout.trimEnd().split('\n')).toEqual([
      'pong: network interfaces: lo; processes: 1',
      'ping: network interfaces: lo; processes: 1',
      'ping: 200 frames went to pong and back',
    ]);
  });
});
