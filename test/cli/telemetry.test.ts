// What running commands show of themselves by their sockets.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it } from 'vitest';
import { Vio } from './vio.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-telemetry-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** Asks once; the greeting comes before the answer. */
async function ask(path: string, request: string): Promise<unknown[]> {
  const socket = connect(path);
  socket.write(`${request}\n`);
  const lines: unknown[] = [];
  for await (const line of createInterface({ input: socket })) {
    lines.push(JSON.parse(line));
    if (lines.length === 2) break;
  }
  socket.destroy();
  return lines;
}

describe('the telemetry of commands', () => {
  it('is there for both sides, with bursts of the forwarder', async () => {
    const socket = join(directory, 'vhost.sock');
    const [ours, theirs] = ['run.sock', 'backend.sock'].map((name) => join(directory, name));
    const backend = new Vio(['backend', socket, '--telemetry', theirs]);
    await backend.says(/telemetry on .*\n(.*\n)*.*vhost-user backend on/);
    const port = new Vio(['run', `path=${socket}`, '--forward-mode', 'flowgen', '--telemetry', ours]);
    await port.says(/pps/);
    const [greeting, snapshot] = await ask(ours, '/vio/snapshot');
    const [, other] = await ask(theirs, '/vio/snapshot');
    expect(greeting).toMatchObject({ command: 'run', pid: port.process.pid });
    expect(snapshot).toMatchObject({
      result: { ports: [{ name: socket, stats: { rx_q0_bursts: expect.any(Number) } }] },
    });
    expect(other).toMatchObject({ result: { ports: [{ kind: 'device', link: { status: 'UP' } }] } });
    expect(statSync(ours).mode & 0o777).toBe(0o600);
    await port.interrupt();
    await backend.interrupt();
  });

  it('has a usual place, below the runtime directory of whoever is not root', async () => {
    const socket = join(directory, 'usual.sock');
    const backend = new Vio(['backend', socket], { XDG_RUNTIME_DIR: directory });
    await backend.says(/vhost-user backend on/);
    const root = process.getuid?.() === 0;
    const place = join(root ? '/run' : directory, 'vio', `backend-${backend.process.pid}.sock`);
    expect(statSync(place).isSocket()).toBe(true);
    await backend.interrupt();
    expect(() => statSync(place)).toThrow('ENOENT');
  });

  it('is left out when it is not wanted, and an error where it cannot be', async () => {
    const socket = join(directory, 'none.sock');
    const backend = new Vio(['backend', socket, '--no-telemetry']);
    await backend.says(/vhost-user backend on/);
    const place = join('/run/vio', `backend-${backend.process.pid}.sock`);
    expect(() => statSync(place)).toThrow('ENOENT');
    await backend.interrupt();
    const wrong = await new Vio(['backend', socket, '--telemetry', '/nowhere/x.sock']).ended;
    expect([wrong.exitCode, wrong.stderr]).toEqual([1, expect.stringContaining('VIO_SOCKET_MISSING')]);
  });
});
