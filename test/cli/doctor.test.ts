// What `vio doctor` finds.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Vio, jsonLines, vio } from './vio.ts';

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
  return { exitCode: ended.exitCode, found: jsonLines(ended) as unknown as Finding[] };
}

const troubles = (found: readonly Finding[]): string[] =>
  found.filter(({ status }) => status === 'problem').map(({ check }) => check);

describe('doctor', () => {
  it('finds nothing wrong with a backend that works, and tells what it offers', async () => {
    const socket = join(directory, 'good.sock');
    const backend = new Vio(['backend', socket, '--queues', '4']);
    await backend.says(/vhost-user backend on/);
    const { exitCode, found } = await findings(socket);
    await backend.interrupt();
    expect([exitCode, troubles(found)]).toEqual([0, []]);
    expect(found.map(({ check }) => check)).toEqual([
      'memory',
      'limits',
      'path',
      'permission',
      'connection',
      'features',
      'queues',
    ]);
    expect(found.at(-1)?.detail).toBe('up to 4 queue pairs');
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
    expect([exitCode, found.at(-1)]).toMatchObject([0, { check: 'path', status: 'note' }]);
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
    const backend = new Vio(['backend', socket]);
    await backend.says(/vhost-user backend on/);
    backend.process.kill('SIGKILL');
    await backend.ended;
    const { exitCode, found } = await findings(socket);
    expect([exitCode, troubles(found)]).toEqual([1, ['connection']]);
  });

  it('has a remedy for every problem', async () => {
    const { found } = await findings(join(directory, 'no/such/dir.sock'));
    expect(found.every(({ status, remedy }) => status !== 'problem' || (remedy ?? '') !== '')).toBe(true);
  });
});
