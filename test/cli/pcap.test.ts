// `vio run --pcap`: a file that other programs read.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPcap } from '@vio/net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Vio, jsonLines, listeningBackend, vio } from './vio.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-pcap-'));
const socket = join(directory, 'vhost.sock');
let backend: Vio;

beforeAll(async () => {
  backend = await listeningBackend([socket]);
});
afterAll(async () => {
  await backend.interrupt();
  rmSync(directory, { recursive: true });
});

/** Runs flowgen with a capture. */
async function capture(file: string, ...options: string[]) {
  const args = [
    '--forward-mode',
    'flowgen',
    '--txpkts',
    '100',
    '--duration',
    '0.2',
    '--json',
    '--pcap',
    file,
  ];
  const lines = jsonLines(await vio('run', `path=${socket}`, '--xstats', ...args, ...options));
  const found = (type: string) => lines.find((line) => line['type'] === type);
  return { capture: found('capture'), xstats: found('xstats')?.['xstats'] as Record<string, number> };
}

describe('--pcap', () => {
  it('writes every packet there was, or counts it as missing', async () => {
    const file = join(directory, 'all.pcap');
    const { capture: report, xstats } = await capture(file);
    const { packets } = readPcap(readFileSync(file));
    expect(report).toEqual({ type: 'capture', file, captured: packets.length, dropped: expect.any(Number) });
    expect(packets.length).toBeGreaterThan(0);
    expect(packets.length + Number(report?.['dropped'])).toBe(
      (xstats['rx_q0_good_packets'] ?? 0) + (xstats['tx_q0_good_packets'] ?? 0),
    );
  });

  it('keeps as much of a packet as --snaplen says', async () => {
    const file = join(directory, 'short.pcap');
    await capture(file, '--snaplen', '34');
    const [first] = readPcap(readFileSync(file)).packets;
    expect([first?.bytes.length, first?.wireLength]).toEqual([34, 100]);
  });

  // tcpdump is on few machines: where it is, it has the last word.
  it.each(['pcap', 'pcapng'])('writes %s that tcpdump reads', async (extension) => {
    const file = join(directory, `tcpdump.${extension}`);
    const { capture: report } = await capture(file);
    const tcpdump = [
      'sh',
      '-c',
      `command -v tcpdump >/dev/null || exit 0; tcpdump -nr ${file} 2>/dev/null | wc -l`,
    ];
    const counted = execFileSync(tcpdump[0], tcpdump.slice(1), { encoding: 'utf8' }).trim();
    expect(['', String(report?.['captured'])]).toContain(counted);
  });

  it('is an error where nothing can be written', async () => {
    const { exitCode, stderr } = await vio(
      'run',
      `path=${socket}`,
      '--duration',
      '0.1',
      '--pcap',
      join(directory, 'no/such/file'),
    );
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('code: VIO_CLI_PCAP')]);
  });
});
