// `vio top` where it writes to a program or a file.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Vio, jsonLines, listeningBackend, vio } from './vio.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-top-'));
const telemetry = join(directory, 'backend.sock');
let backend: Vio;
let port: Vio;

beforeAll(async () => {
  const socket = join(directory, 'vhost.sock');
  backend = await listeningBackend([socket, '--telemetry', telemetry]);
  port = new Vio(['run', `path=${socket}`, '--no-telemetry']);
  await backend.says(/^device/m);
});
afterAll(async () => {
  await port.interrupt();
  await backend.interrupt();
  rmSync(directory, { recursive: true });
});

describe('vio top', () => {
  it('writes one picture down with --once, without a control character', async () => {
    const { exitCode, stdout, stderr } = await vio('top', telemetry, '--once', '--interval', '0.2');
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^backend \d+ .* UP +0 pps/m);
    expect(stdout).not.toContain('\u001b');
  });

  it('writes an object for each look with --json', async () => {
    const looking = new Vio(['top', telemetry, '--json', '--interval', '0.1']);
    await looking.says(/\n.*\n/);
    const lines = jsonLines(await looking.interrupt());
    expect(lines[0]).toMatchObject({
      type: 'top',
      ports: [
        { kind: 'device', up: true, rx: { pps: expect.any(Number) }, rings: [{ size: 256 }, { size: 256 }] },
      ],
    });
  });

  it('finds what runs here by itself', async () => {
    const env = { XDG_RUNTIME_DIR: directory };
    const unnamed = await listeningBackend([join(directory, 'found.sock')], env);
    const other = new Vio(['run', `path=${join(directory, 'found.sock')}`], env);
    await unnamed.says(/^device/m);
    const ended = await new Vio(['top', '--once', '--json', '--interval', '0.1'], env).ended;
    const picture = await new Vio(['top', '--once', '--interval', '0.1'], env).ended;
    await other.interrupt();
    await unnamed.interrupt();
    const [{ ports }] = jsonLines<{ ports: { pid: number; kind: string }[] }>(ended);
    const kindOf = ({ process }: Vio) => ports.find(({ pid }) => pid === process.pid)?.kind;
    expect([kindOf(unnamed), kindOf(other)]).toEqual(['device', 'port']);
    expect(picture.stdout).toMatch(new RegExp(`^backend ${unnamed.process.pid} `, 'm'));
  });

  it('goes on without what answers nonsense or nothing', async () => {
    const odd = join(directory, 'odd.sock');
    const server = createServer((socket) => socket.on('error', () => {}).write('nonsense\n')).listen(odd);
    const ended = await vio('top', odd, telemetry, '--once', '--json', '--interval', '0.1');
    server.close();
    expect(jsonLines(ended)).toMatchObject([{ ports: [{ kind: 'device' }] }]);
  });

  it('says that nobody is there', async () => {
    const { exitCode, stderr } = await vio('top', '/nowhere.sock', '--once');
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('VIO_TOP_NOTHING')]);
  });
});
