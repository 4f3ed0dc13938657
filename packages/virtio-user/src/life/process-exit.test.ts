import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VhostDriver } from '@vio/vhost';
import { describe, expect, it } from 'vitest';

const built = new URL('../../dist/index.js', import.meta.url).href;

/** A process that opens a port and then ends in its way; what it held, the other side sees. */
async function portThatEnds(how: string, role: 'client' | 'server') {
  const directory = mkdtempSync(join(tmpdir(), 'vio-user-'));
  const path = join(directory, 'vhost.sock');
  const events: string[] = [];
  let over: () => void = () => {};
  const ended = new Promise<void>((resolve) => (over = resolve));
  const backend = VhostDriver.register(path, { client: role === 'server' });
  backend.callbacks({
    newDevice: () => events.push('newDevice'),
    destroyDevice: () => events.push('destroyDevice'),
    destroyConnection: (_, reason) => {
      events.push(reason.code);
      over();
    },
  });
  if (role === 'client') await backend.start();
  const script = `import { openVirtioUser } from ${JSON.stringify(built)};
    const opening = openVirtioUser({ path: ${JSON.stringify(path)}, server: ${role === 'server'} });
    console.log('opening');
    const port = await opening;
    ${how}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exit = once(child, 'exit');
  if (role === 'server') {
    await once(child.stdout, 'data');
    await backend.start();
  }
  const [code, signal] = (await exit) as [number | undefined, string | undefined];
  await ended;
  await backend.close();
  const socketLeft = role === 'server' && existsSync(path);
  rmSync(directory, { recursive: true });
  return { end: code ?? signal, events, socketLeft };
}

describe('a process with an open port', () => {
  const gone = ['newDevice', 'destroyDevice', 'VIO_VHOST_DISCONNECTED'];

  it.each([
    ['process.exit', 'process.exit(3);', 3],
    ['an exception', 'throw new Error("expected by this test");', 1],
    ['SIGKILL', 'process.kill(process.pid, "SIGKILL");', 'SIGKILL'],
    ['close', 'await port.close();', 0],
  ])('that ends by %s lets go of the backend', async (_, how, end) => {
    const result = await portThatEnds(how, 'client');
    expect(result).toEqual({ end, events: gone, socketLeft: false });
  });

  it.each([
    ['process.exit', 'process.exit(3);', 3],
    ['close', 'await port.close();', 0],
  ])('on a socket of its own that ends by %s removes it', async (_, how, end) => {
    const result = await portThatEnds(how, 'server');
    expect(result).toMatchObject({ end, socketLeft: false });
  });
});
