// `vio show rings`: the rings of what runs, in words, as objects, and drawn.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Vio, jsonLines, listeningBackend, vio } from './vio.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-show-'));
const socket = join(directory, '<rings> & "more".sock');
const [ours, theirs] = ['run.sock', 'backend.sock'].map((name) => join(directory, name));
let backend: Vio;
let port: Vio;

beforeAll(async () => {
  backend = await listeningBackend([socket, '--queues', '2', '--telemetry', theirs]);
  port = new Vio(['run', `path=${socket},queues=2,packed_vq=1`, '--telemetry', ours]);
  await port.says(/pps/);
});
afterAll(async () => {
  await port.interrupt();
  await backend.interrupt();
  rmSync(directory, { recursive: true });
});

const names = ['receiveq0', 'transmitq0', 'receiveq1', 'transmitq1'];

describe('vio show rings', () => {
  it('tells of a port in words: what is given, and where both sides are', async () => {
    const { exitCode, stdout } = await vio('show', 'rings', ours);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`run ${port.process.pid}, port 0: ${socket}\n`);
    expect(stdout).toMatch(
      /^ {2}receiveq0 +\[#{32}\] 256 of 256 given, packed, driver at 0 wrap 0, device at 0 wrap 1, used 0$/m,
    );
    expect(stdout).toMatch(
      /^ {2}transmitq0 +\[\.{32}\] 0 of 256 given, packed, driver at 0 wrap 1, device at 0 wrap 1, used 0$/m,
    );
  });

  it('tells of a device, whose driver has given it something', async () => {
    const { stdout } = await vio('show', 'rings', theirs);
    expect(stdout).toMatch(/^ {2}receiveq0 +\[a{32}\] 256 of 256 given, packed, .*, held 0$/m);
  });

  it('is objects for programs, one for each port', async () => {
    const shown = jsonLines(await vio('show', 'rings', ours, theirs, '--json'));
    expect(shown).toMatchObject([
      {
        type: 'rings',
        program: `run ${port.process.pid}`,
        kind: 'port',
        rings: [{ name: 'receiveq0' }, {}, {}, {}],
      },
      { type: 'rings', program: `backend ${backend.process.pid}`, kind: 'device' },
    ]);
  });

  it('draws them as SVG, whatever a name is', async () => {
    const { exitCode, stdout, stderr } = await vio('show', 'rings', ours, theirs, '--svg');
    const texts = (kind: string): string[] =>
      Array.from(
        stdout.matchAll(new RegExp(`<text class="${kind}"[^>]*>(.*?)</text>`, 'g')),
        ([, text]) => text,
      );
    const escaped = socket
      .replace('&', '&amp;')
      .replace('<', '&lt;')
      .replace('>', '&gt;')
      .replaceAll('"', '&quot;');
    expect([exitCode, stderr, texts('name')]).toEqual([0, '', [...names, ...names]]);
    expect(texts('head')).toEqual([
      `run ${port.process.pid}, port 0: ${escaped}`,
      `backend ${backend.process.pid}, port 0: ${escaped} 0`,
    ]);
    expect(stdout).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"[^]*<\/svg>\n$/);
    expect(stdout).not.toMatch(/NaN|undefined|https?:(?!\/\/www\.w3\.org)/);
  });

  it('shows one port, or says that there is none of that number', async () => {
    const one = await vio('show', 'rings', ours, '--port', '0', '--json');
    const none = await vio('show', 'rings', ours, '--port', '7', '--json');
    expect(jsonLines(one)).toHaveLength(1);
    expect([none.exitCode, jsonLines(none)]).toMatchObject([
      1,
      [{ type: 'error', code: 'VIO_SHOW_NOTHING', message: expect.stringContaining('no such port') }],
    ]);
  });

  it('says that a backend whose driver has not come has none yet', async () => {
    const [path, telemetry] = ['alone', 'alone.sock'].map((name) => join(directory, name));
    const alone = await listeningBackend([path, '--telemetry', telemetry]);
    const { exitCode, stderr } = await vio('show', 'rings', telemetry);
    await alone.interrupt();
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('what runs here has no port yet')]);
  });

  it('says that nothing runs where nothing answers', async () => {
    const { exitCode, stderr } = await vio('show', 'rings', join(directory, 'nobody.sock'));
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('VIO_SHOW_NOTHING')]);
  });

  it('is wrong usage of anything else', async () => {
    const { exitCode, stderr } = await vio('show', 'frogs');
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('rings')]);
  });
});
