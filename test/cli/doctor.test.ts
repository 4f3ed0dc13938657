// What `vio doctor` finds.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnixListener } from '@vio/native';
import { ScriptedBackend } from '@vio/vhost/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { vioProgram } from '../support/vio-program.ts';
import { Vio, jsonLines, listeningBackend, vio } from './vio.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-doctor-'));
chmodSync(directory, 0o755);
afterAll(() => rmSync(directory, { recursive: true }));

interface Finding {
  readonly check: string;
  readonly status: string;
  readonly detail: string;
  readonly remedy?: string;
}

async function findings(
  path: string,
  ...options: string[]
): Promise<{ exitCode: number | null; found: Finding[] }> {
  const ended = await vio('doctor', path, '--json', ...options);
  return { exitCode: ended.exitCode, found: jsonLines<Finding>(ended) };
}

const troubles = (found: readonly Finding[]): string[] =>
  found.filter(({ status }) => status === 'problem').map(({ check }) => check);

describe('doctor', () => {
  it('finds nothing wrong with a backend that works, and tells what it offers', async () => {
    const socket = join(directory, 'good.sock');
    const backend = await listeningBackend([socket, '--queues', '4']);
    const { exitCode, found } = await findings(socket);
    await backend.interrupt();
    expect([exitCode, troubles(found)]).toEqual([0, []]);
    expect(found.map(({ check }) => check)).toEqual([
      'memory',
      'hugepages',
      'limits',
      'locked memory',
      'path',
      'role',
      'permission',
      'connection',
      'features',
      'queues',
      'memory regions',
      'mtu',
      'start',
    ]);
    const details = Object.fromEntries(found.map(({ check, detail }) => [check, detail]));
    expect(details).toMatchObject({
      role: 'the backend listens there: the port connects (server=0, the default)',
      queues: 'up to 4 queue pairs',
      start: 'a port starts: split in-order mergeable, split in-order Tx',
    });
  });

  it('says in words what is wrong, and what to do', async () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    const { exitCode, stdout } = await vio('doctor', file);
    expect(exitCode).toBe(1);
    expect(stdout).toContain(`problem path: ${file} is a file, no socket and no device`);
    expect(stdout).toContain('        remedy: give the path of the backend');
  });

  it('notes that nothing is there yet, which is no problem', async () => {
    const { exitCode, found } = await findings(join(directory, 'later.sock'));
    expect([exitCode, troubles(found)]).toEqual([0, []]);
    expect(found.slice(-3)).toMatchObject([
      { check: 'path', status: 'note' },
      { check: 'role', status: 'note', remedy: expect.stringContaining('server=1') },
      { check: 'permission', status: 'ok' },
    ]);
  });

  it('says who may not use a socket, and whose it is', async () => {
    const socket = join(directory, 'private.sock');
    const backend = await listeningBackend([socket]);
    chmodSync(socket, 0);
    const command = [process.execPath, vioProgram, 'doctor', socket];
    // Root is above permissions by two capabilities. Without them it is like the others, and still reads this checkout.
    const plain = ['setpriv', '--bounding-set=-dac_override,-dac_read_search', ...command];
    const [program, ...args] = process.getuid?.() === 0 ? plain : command;
    const ended = spawnSync(program, args, { encoding: 'utf8' });
    await backend.interrupt();
    expect(ended.status).toBe(1);
    expect(ended.stdout).toMatch(
      /^problem permission: this user \(\d+\) may not use it: owner \d+, group \d+, mode [06]0?0?$/m,
    );
    expect(ended.stdout).toMatch(/^ {8}remedy: run as its owner or in its group/m);
  });

  it('finds a backend that does not let a port start', async () => {
    const socket = join(directory, 'refusing.sock');
    const listener = UnixListener.listen(socket);
    const serving: ScriptedBackend[] = [];
    const accepting = (async () => {
      for (;;) {
        const script = { features: 1n << 32n, protocolFeatures: 0b1001n, queuePairs: 1 };
        const misbehave = serving.length === 0 ? {} : { misbehave: { at: 8, how: 'close' } as const };
        serving.push(new ScriptedBackend(await listener.accept(), { ...script, ...misbehave }));
      }
    })().catch(() => {});
    const { exitCode, found } = await findings(socket, '--timeout', '1000');
    listener.close();
    await accepting;
    for (const backend of serving) backend.close();
    expect([exitCode, troubles(found)]).toEqual([1, ['start']]);
    expect(found.find(({ check }) => check === 'mtu')).toMatchObject({ status: 'note' });
  });

  it.each([
    ['a directory that is not there', () => join(directory, 'no/such/dir.sock'), 'path'],
    ['a device that is not there', () => '/dev/no-such-device', 'path'],
    ['a path no socket can have', () => join(directory, 'x'.repeat(108)), 'path'],
  ])('finds %s', async (_what, path, check) => {
    const { exitCode, found } = await findings(path());
    expect([exitCode, troubles(found)]).toEqual([1, [check]]);
  });

  it('finds a backend that takes the connection and says nothing', async () => {
    const socket = join(directory, 'silent.sock');
    const server = createServer().listen(socket);
    const { exitCode, found } = await findings(socket, '--timeout', '200');
    server.close();
    expect([exitCode, troubles(found)]).toEqual([1, ['conversation']]);
  });

  it('finds a socket that nobody listens on any more', async () => {
    const socket = join(directory, 'stale.sock');
    const backend = await listeningBackend([socket]);
    backend.process.kill('SIGKILL');
    await backend.ended;
    const { exitCode, found } = await findings(socket);
    expect([exitCode, troubles(found)]).toEqual([1, ['connection']]);
  });

  it.each([
    ['/dev/vhost-vdpa-99', 'modprobe vhost_vdpa'],
    ['path=/dev/vhost-vdpa-99,queues=1', 'modprobe vhost_vdpa'],
    ['/dev/no-such-device', '/dev/vhost-net'],
  ])('names the module, or the device, that is missing for %s', async (devargs, remedy) => {
    const { found } = await findings(devargs);
    expect(found.find(({ status }) => status === 'problem')?.remedy).toContain(remedy);
  });

  it('takes devargs, and tells whether the backend has what they ask for', async () => {
    const socket = join(directory, 'devargs.sock');
    const backend = await listeningBackend([socket, '--queues', '1']);
    const good = await findings(`net_virtio_user0,path=${socket},packed_vq=1`);
    const many = await findings(`${socket},queues=4`);
    const wrong = await findings(`path=${socket},queues=many`);
    await backend.interrupt();
    expect([good.exitCode, good.found.at(-1)?.detail]).toEqual([
      0,
      expect.stringContaining('a port starts: packed'),
    ]);
    expect([many.exitCode, troubles(many.found)]).toEqual([1, ['queues']]);
    expect([wrong.exitCode, troubles(wrong.found)]).toEqual([1, ['devargs']]);
  });

  it('expects a backend only when it is told to', async () => {
    const socket = join(directory, 'expected.sock');
    const { exitCode, found } = await findings(socket, '--expect-backend');
    expect([exitCode, troubles(found)]).toEqual([1, ['path']]);
    const backend = await listeningBackend([socket]);
    expect((await findings(socket, '--expect-backend')).exitCode).toBe(0);
    await backend.interrupt();
  });

  it('leaves a backend alone that somebody uses', async () => {
    const socket = join(directory, 'used.sock');
    const backend = await listeningBackend([socket, '--json']);
    const port = new Vio(['run', `path=${socket}`, '--json']);
    await port.says(/"port"/);
    await backend.says(/"device"/);
    const { exitCode, found } = await findings(socket);
    expect([exitCode, found.at(-1)]).toEqual([
      0,
      expect.objectContaining({ check: 'start', status: 'note', remedy: expect.stringContaining('--start') }),
    ]);
    expect(backend.stdout.match(/"type":"device"/g)).toHaveLength(1);
    const forced = await findings(socket, '--start');
    expect(forced.found.at(-1)).toMatchObject({ check: 'start', status: 'ok' });
    expect(await port.interrupt()).toMatchObject({ exitCode: 0, stderr: '' });
    await backend.interrupt();
  });

  it('connects to nothing with --no-connect', async () => {
    const socket = join(directory, 'untouched.sock');
    let connections = 0;
    const server = createServer(() => connections++).listen(socket);
    const { exitCode, found } = await findings(socket, '--no-connect');
    server.close();
    expect([exitCode, connections, found.at(-1)?.check]).toEqual([0, 0, 'permission']);
  });

  it('says that both sides are servers, and does not touch the other one', async () => {
    const socket = join(directory, 'both-servers.sock');
    let connections = 0;
    const server = createServer(() => connections++).listen(socket);
    const { exitCode, found } = await findings(`path=${socket},server=1`);
    server.close();
    expect([exitCode, connections, troubles(found)]).toEqual([1, 0, ['role']]);
    expect(found.find(({ check }) => check === 'role')?.detail).toContain('both sides are servers');
  });

  it('has a remedy for every problem', async () => {
    const { found } = await findings(join(directory, 'no/such/dir.sock'));
    expect(found.every(({ status, remedy }) => status !== 'problem' || (remedy ?? '') !== '')).toBe(true);
  });
});

describe('doctor of a PCI device', () => {
  it.each([
    ['ffff:1f:1f.7', 'there is no PCI device ffff:1f:1f.7'],
    ['00:99', 'not the address of a PCI device'],
  ])('%s says what is wrong with the address', async (address, detail) => {
    const { exitCode, found } = await findings(address);
    const device = found.find(({ check }) => check === 'device');
    expect(exitCode).toBe(1);
    expect(device).toMatchObject({ status: 'problem', detail: expect.stringContaining(detail) });
  });
});
