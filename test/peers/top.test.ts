// `vio top` in a real terminal: tmux draws what it writes.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Vio, startBackend } from '../cli/vio.ts';
import { vioProgram } from '../support/vio-program.ts';
import { Terminal } from './terminal.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-top-'));
const telemetry = join(directory, 'run.sock');
const running: Vio[] = [];

beforeAll(async () => {
  const socket = join(directory, 'vhost.sock');
  await startBackend(running, socket, '--no-telemetry');
  const port = new Vio([
    'run',
    `path=${socket},queues=2`,
    '--forward-mode',
    'flowgen',
    '--telemetry',
    telemetry,
  ]);
  running.push(port);
  await port.says(/pps/);
});
afterAll(async () => {
  for (const one of running.toReversed()) await one.interrupt();
  rmSync(directory, { recursive: true });
});

const command = (...options: string[]): string =>
  [process.execPath, vioProgram, 'top', telemetry, '--interval', '0.2', ...options].join(' ');

describe('vio top in tmux', () => {
  it('shows rates and rings in 80 columns, hears keys, and leaves the terminal as it was', async () => {
    using terminal = new Terminal(directory, 80, 24, command());
    await terminal.shows(/vhost\.sock +UP .* [kM]pps/);
    expect(terminal.screen).toMatch(/receiveq0 +[#-]+ +\d+\/256/);
    terminal.press('u');
    await terminal.shows(/^ {2}q1 {2}rx /m);
    terminal.press('s');
    await terminal.shows(/by name/);
    terminal.press('p');
    await terminal.shows(/PAUSED/);
    terminal.press('q');
    const left = await terminal.shows(/ENDED 0/);
    expect(left).not.toContain('vio top');
  });

  it('fits into 20 columns, and into whatever it is resized to', async () => {
    using terminal = new Terminal(directory, 20, 12, command());
    await terminal.shows(/rx .*pps/);
    for (let i = 0; i < 60; i++) terminal.resize(10 + ((i * 37) % 120), 3 + ((i * 7) % 40));
    terminal.resize(80, 24);
    await terminal.shows(/vhost\.sock +UP .* [kM]pps/);
    terminal.resize(20, 24);
    await terminal.shows(/^ {2}rx .*pps/m);
    terminal.press('q');
    expect(await terminal.shows(/ENDED/)).toContain('ENDED 0');
  });

  it.each([
    ['with colours', '', true],
    ['without, by NO_COLOR', 'NO_COLOR=1 ', false],
  ])('draws %s', async (_, env, wanted) => {
    using terminal = new Terminal(directory, 80, 24, env + command());
    await terminal.shows(/vhost\.sock +UP/);
    expect(terminal.colors.includes('\u001b[32m')).toBe(wanted);
    terminal.press('C-c');
    await terminal.shows(/ENDED/);
  });
});
