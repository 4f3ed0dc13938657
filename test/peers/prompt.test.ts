// The prompt of `vio run -i` in a real terminal, and beside testpmd's own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Vio, startBackend } from '../cli/vio.ts';
import { vioProgram } from '../support/vio-program.ts';
import { filePrefix, removeFiles } from './preflight.ts';
import { testpmdProgram } from './program.ts';
import { PtyProcess } from './pty-process.ts';
import { Terminal } from './terminal.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-prompt-'));
const socket = join(directory, 'vhost.sock');
const running: Vio[] = [];

const begin = (): Promise<Vio> => startBackend(running, socket, '--queues', '2', '--no-telemetry');

beforeAll(async () => {
  await begin();
});
afterAll(async () => {
  for (const one of running.toReversed()) await one.interrupt();
  rmSync(directory, { recursive: true });
});

const program = (...options: string[]): string =>
  [process.execPath, vioProgram, 'run', `path=${socket}`, '-i', '--no-telemetry', ...options].join(' ');

describe('the prompt in tmux', () => {
  it('completes words, brings lines back, and leaves with Ctrl-D', async () => {
    using terminal = new Terminal(directory, 80, 24, program());
    await terminal.shows(/^testpmd>$/m);
    terminal.press('sho');
    await terminal.shows(/^testpmd> sho$/m);
    terminal.press('Tab');
    await terminal.shows(/^testpmd> show$/m);
    terminal.press('port sum');
    await terminal.shows(/^testpmd> show port sum$/m);
    terminal.press('Tab');
    await terminal.shows(/^testpmd> show port summary$/m);
    terminal.press('all');
    await terminal.shows(/^testpmd> show port summary all$/m);
    terminal.press('Enter');
    await terminal.shows(/Number of available ports: 1/);
    terminal.press('set fwd ');
    await terminal.shows(/^testpmd> set fwd$/m);
    terminal.press('Tab');
    terminal.press('Tab');
    await terminal.shows(/5tswap.*checksum.*csum/);
    terminal.press('C-c');
    await terminal.shows(/^testpmd>\s*$(?![^]*\S)/m);
    terminal.press('Up');
    await terminal.shows(/^testpmd> show port summary all\s*$(?![^]*\S)/m);
    terminal.press('C-c');
    terminal.press('C-d');
    expect(await terminal.shows(/ENDED/)).toMatch(/Bye\.\.\.\s+ENDED 0/);
  });

  it('keeps a line that is being typed when something happens, in 20 columns as well', async () => {
    using terminal = new Terminal(directory, 80, 24, program());
    await terminal.shows(/^testpmd>$/m);
    terminal.press('start');
    terminal.press('Enter');
    await terminal.shows(/RX desc=/);
    for (let i = 0; i < 60; i++) terminal.resize(10 + ((i * 37) % 120), 3 + ((i * 7) % 40));
    terminal.resize(20, 16);
    terminal.press('show port stats all and more');
    await terminal.shows(/more\s*$/);
    await running.splice(0)[0].interrupt();
    // The event is above, and the line is there once more.
    await terminal.shows(/link state c\s*hange event[^]*testpmd> show port s\s*tats all and more\s*$/);
    await begin();
    terminal.press('C-c');
    terminal.resize(80, 24);
    terminal.press('quit');
    terminal.press('Enter');
    expect(await terminal.shows(/ENDED/)).toContain('ENDED 0');
  });

  it.each(['', 'NO_COLOR=1 '])('draws no colours: "%s"', async (env) => {
    using terminal = new Terminal(directory, 80, 24, env + program());
    await terminal.shows(/^testpmd>$/m);
    terminal.press('help all');
    terminal.press('Enter');
    await terminal.shows(/rss-hash/);
    expect(terminal.colors.includes('\u001b[')).toBe(false);
    terminal.press('C-d');
    await terminal.shows(/ENDED 0/);
  });
});

/** What both are asked, and understand. */
const asked = [
  'show port summary all',
  'show port stats 0',
  'set fwd macswap',
  'set fwd nowhere',
  'nonsense',
  'set txpkts 64,128',
  'show config txpkts',
  'set txpkts 1',
  'set burst 64',
  'show port info 0',
  'start',
  'start',
  'port stop 0',
  'show fwd stats all',
  'stop',
  'stop',
  'port reset 0',
  'port stop 0',
  'start',
  'csum show 0',
  'tso show 0',
  'port start 0',
  'clear port stats 0',
];

/** Lines with what differs from port to port left out: addresses, names, numbers, room between words. */
function shapes(said: string): string[] {
  return said
    .split('\n')
    .map((line) =>
      line
        .replaceAll(/([\dA-F]{2}:){5}[\dA-F]{2}/g, 'MAC')
        .replaceAll(/\d+/g, 'N')
        .replaceAll(/\s+/g, ' ')
        .trim(),
    )
    .filter((line) => line !== '');
}

async function answers(pty: PtyProcess): Promise<string[]> {
  const said: string[] = [];
  const prompted = (from: number) => (): boolean =>
    stripVTControlCharacters(pty.output.slice(from)).endsWith('testpmd> ');
  await pty.until(prompted(0), 30_000);
  for (const line of asked) {
    const from = pty.output.length;
    pty.write(`${line}\n`);
    await pty.until(prompted(from + line.length), 30_000);
    said.push(stripVTControlCharacters(pty.output.slice(from)));
  }
  return said;
}

describe('beside testpmd', () => {
  it('says the same of what both have', async () => {
    const prefix = filePrefix(900);
    const dpdk = [testpmdProgram, '-l', '0', '--no-pci', '--no-huge', '-m', '256', `--file-prefix=${prefix}`];
    const own = ['--no-telemetry', '--vdev=net_null0', '--', '-i', '--total-num-mbufs=4096'];
    // With one core there is nobody to forward: the prompt's core is not it.
    dpdk[2] = '0,1';
    const testpmd = new PtyProcess([...dpdk, ...own]);
    const vio = new PtyProcess([
      process.execPath,
      vioProgram,
      'run',
      `path=${socket}`,
      '-i',
      '--no-telemetry',
      '--txpkts=64',
    ]);
    try {
      const theirs = await answers(testpmd);
      const ours = await answers(vio);
      for (const [i, line] of asked.entries()) {
        const known = new Set(shapes(theirs[i]));
        expect({ line, said: shapes(ours[i]).filter((said) => !known.has(said) && !isOwn(said)) }).toEqual({
          line,
          said: [],
        });
      }
    } finally {
      vio.write('quit\n');
      testpmd.write('stop\nquit\n');
      await testpmd.until(() => testpmd.exit !== undefined, 20_000);
      await vio.until(() => vio.exit !== undefined, 20_000);
      removeFiles(prefix);
    }
  });
});

/** What a virtio port says, and a null port does not: another name, other numbers, no NUMA node. */
function isOwn(said: string): boolean {
  return (
    /^(testpmd> ?|N MAC net_|Device name|Driver name|Devargs|Link (status|speed|duplex)|MTU|\w+ mode:|Number of [RT]XDs|near |did you|help lists|set (fwd|burst)|strip )/.test(
      said,
    ) ||
    /packet forwarding|Logical Core|^RX P=|desc=|nb forwarding|RX queue number|[RT]X-packets|RX-total|[RT]x-[pb]ps|-> TX|Port N: (MAC|link)/.test(
      said,
    )
  );
}
