// What `vio` puts up with: backends that come late, leave and come back, readers that leave, and how it says what is wrong.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { readPcap } from '@vio/net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { vioProgram } from '../support/vio-program.ts';
import { Vio, jsonLines, startBackend, vio } from './vio.ts';

let directory: string;
let socket: string;
const running: Vio[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vio-forgiving-'));
  socket = join(directory, 'vhost.sock');
});
afterEach(async () => {
  for (const one of running.splice(0)) await one.interrupt();
  rmSync(directory, { recursive: true });
});

function start(...args: string[]): Vio {
  const one = new Vio(args);
  running.push(one);
  return one;
}

describe('a backend', () => {
  it.each(['', ',server=1'])('that is not there yet is waited for with --wait (path=...%s)', async (role) => {
    const port = start('run', `path=${socket}${role}`, '--wait', '--timeout', '1000');
    await port.says(/^waiting for a backend: .+ \(VIO_(SOCKET_MISSING|TIMEOUT)\)$/m);
    await startBackend(running, socket, ...(role === '' ? [] : ['--client']));
    await port.says(/receiveq0/);
    expect(await port.interrupt()).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it('that is waited for can be given up', async () => {
    const port = start('run', `path=${socket}`, '--wait');
    await port.says(/^waiting/m);
    expect(await port.interrupt()).toMatchObject({ exitCode: 130, stderr: '' });
  });

  it.each([
    ['', ['--reconnect'], []],
    [',server=1', [], ['--client']],
  ])('that went is looked for (path=...%s %j)', async (role, options, backendOptions) => {
    const port = start('run', `path=${socket}${role}`, ...options, '--wait');
    if (role === '') await port.says(/^waiting/m);
    const first = await startBackend(running, socket, ...backendOptions);
    await port.says(/receiveq0/);
    first.process.kill('SIGKILL');
    await port.says(/^the backend is gone, looking for it: /m);
    await startBackend(running, socket, ...backendOptions);
    await port.says(/^the backend is back after \d+\.\d s: /m);
    expect(await port.interrupt()).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it('that went for good ends the port, which shows its statistics all the same', async () => {
    const backend = await startBackend(running, socket);
    const port = start('run', `path=${socket}`, '--xstats');
    await port.says(/receiveq0/);
    backend.process.kill('SIGKILL');
    const { exitCode, stdout } = await port.ended;
    expect([exitCode, stdout]).toEqual([1, expect.stringMatching(/^rx_q0_good_packets: 0$/m)]);
  });

  it('is not what leaves at once, says nothing or asks itself: a port with server=1 goes on waiting', async () => {
    const port = start('run', `path=${socket},server=1`, '--timeout', '5000', '--wait');
    const stray = async (): Promise<void> => {
      const connection = createConnection(socket);
      await once(connection, 'connect');
      connection.end();
    };
    await waitFor(stray);
    await stray();
    const doctor = await vio('doctor', socket, '--json');
    expect(jsonLines(doctor).filter(({ status }) => status === 'problem')).toMatchObject([
      { check: 'conversation', detail: expect.stringContaining('both sides are frontends') },
    ]);
    await startBackend(running, socket, '--client');
    await port.says(/receiveq0/);
    expect(await port.interrupt()).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it('that connects to a backend is told that both are backends', async () => {
    await startBackend(running, socket);
    const client = start('backend', socket, '--client');
    await client.says(/vhost-user backend on/);
    await running.shift()?.interrupt();
    await client.says(/^a connection ended/m);
    expect(client.stdout).toContain('both are backends');
  });

  it('is named by its bare path, too', async () => {
    await startBackend(running, socket);
    const { exitCode, stdout } = await vio('inspect', `${socket},queue_size=64`);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('receiveq0: split, 64 descriptors')]);
  });
});

it('a name without a directory is answered by what a socket is called', async () => {
  const { exitCode, stderr } = await vio('run', 'vhost.sock', '--no-telemetry');
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining('path=vhost.sock')]);
});

/** Until it does not reject any more. */
async function waitFor(attempt: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await attempt();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

describe('a capture to stdout', () => {
  const flowgen = ['--forward-mode', 'flowgen', '--pcap', '-'];

  it('is nothing but the capture; what there is to say is on stderr', async () => {
    await startBackend(running, socket);
    const port = spawn(process.execPath, [
      vioProgram,
      'run',
      `path=${socket}`,
      '--duration',
      '0.2',
      ...flowgen,
    ]);
    const [file, said] = await Promise.all([buffer(port.stdout), buffer(port.stderr)]);
    const { packets } = readPcap(file);
    expect(said.toString()).toContain(`stdout: ${packets.length} packets`);
    expect(packets.length).toBeGreaterThan(0);
  });

  it('ends the program quietly when its reader has seen enough', async () => {
    await startBackend(running, socket);
    const port = spawn(process.execPath, [vioProgram, 'run', `path=${socket}`, ...flowgen]);
    const said = buffer(port.stderr);
    await once(port.stdout, 'data');
    port.stdout.destroy();
    const [exitCode] = (await once(port, 'exit')) as [number];
    expect([exitCode, (await said).toString()]).toEqual([0, expect.not.stringContaining('remedy')]);
  });
});

describe('a capture to stdout that waits for a packet', () => {
  const silent = ['--forward-mode', 'rxonly', '--pcap', '-'];

  const behindPipe = '{ "$@" || echo wrong >&2; } | head -c 24';

  it.each([
    ['a socket', []],
    ['a pipe', ['sh', '-c', behindPipe, 'sh']],
  ])('ends the program quietly when its reader leaves, behind %s', async (_, shell) => {
    await startBackend(running, socket);
    const [command, ...args] = [...shell, process.execPath, vioProgram, 'run', `path=${socket}`, ...silent];
    const port = spawn(command, args);
    const said = buffer(port.stderr);
    // The head of the file is all that comes.
    await once(port.stdout, 'data');
    port.stdout.destroy();
    const [exitCode] = (await once(port, 'exit')) as [number];
    expect([exitCode, (await said).toString()]).toEqual([0, expect.not.stringMatching(/remedy|wrong/)]);
    expect((await said).toString()).toContain('stdout: 0 packets');
  });

  it('does not take a file for somebody who leaves', async () => {
    await startBackend(running, socket);
    const file = join(directory, 'silent.pcap');
    const out = openSync(file, 'w');
    const port = spawn(
      process.execPath,
      [vioProgram, 'run', `path=${socket}`, '--duration', '0.3', ...silent],
      {
        stdio: ['ignore', out, 'pipe'],
      },
    );
    closeSync(out);
    const said = buffer(port.stderr ?? Readable.from([]));
    const [exitCode] = (await once(port, 'exit')) as [number];
    expect([exitCode, readPcap(readFileSync(file)).packets]).toEqual([0, []]);
    expect((await said).toString()).toContain('stdout: 0 packets');
  });
});

describe('what is said', () => {
  it.each([
    [['--help'], 1],
    [['inspect', '--features', '0x1'], 1],
    [['inspect', '--features', '0x1', '--json'], 1],
    [['nonsense'], 2],
  ])('on a disk that is full: vio %j ends with %i, and no stack', async (args, exitCode) => {
    const full = openSync('/dev/full', 'w');
    const said = spawn(process.execPath, [vioProgram, ...args], { stdio: ['ignore', full, 'pipe'] });
    closeSync(full);
    const [stderr, ended] = await Promise.all([
      buffer(said.stderr ?? Readable.from([])),
      once(said, 'exit') as Promise<[number]>,
    ]);
    expect([ended[0], stderr.toString()]).toEqual([
      exitCode,
      expect.stringMatching(/^vio: .+\n {2}remedy: .+\n {2}code: VIO_CLI_(OUTPUT|USAGE)\n$/),
    ]);
  });

  it.each([
    [['nonsense'], 2],
    [['run', 'path=/nowhere'], 1],
  ])('to nobody: vio %j ends with %i all the same', async (args, exitCode) => {
    const said = spawn(process.execPath, [vioProgram, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    said.stderr?.destroy();
    expect(await once(said, 'exit')).toEqual([exitCode, null]);
  });

  it('beside a capture to nobody does not end it', async () => {
    await startBackend(running, socket);
    const file = join(directory, 'unsaid.pcap');
    const args = ['run', `path=${socket}`, '--forward-mode', 'txonly', '--duration', '0.5', '--pcap', '-'];
    const out = openSync(file, 'w');
    const port = spawn(process.execPath, [vioProgram, ...args, '--stats-period', '0.05'], {
      stdio: ['ignore', out, 'pipe'],
    });
    closeSync(out);
    port.stderr?.destroy();
    expect(await once(port, 'exit')).toEqual([0, null]);
    expect(readPcap(readFileSync(file)).packets.length).toBeGreaterThan(0);
  });
});

describe('what is wrong', () => {
  it.each([
    [['run', 'path=/nowhere/vhost.sock'], 1, 'VIO_SOCKET_MISSING'],
    [['inspect', '--features', 'many'], 2, 'VIO_CLI_USAGE'],
    [['run'], 2, 'VIO_CLI_USAGE'],
    [['nonsense'], 2, 'VIO_CLI_USAGE'],
  ])('in %j is an object on stdout with --json', async (args, exitCode, code) => {
    const ended = await vio(...args, '--json');
    expect([ended.exitCode, ended.stderr]).toEqual([exitCode, '']);
    expect(jsonLines(ended)).toEqual([
      {
        type: 'error',
        code,
        message: expect.any(String),
        remedy: expect.any(String),
        retryable: expect.any(Boolean),
      },
    ]);
  });

  it.each([
    [['nonsense'], 'vio'],
    [['run'], 'vio run'],
    [['doctor', '/x', '--timeout', 'soon'], 'vio doctor'],
  ])('in the usage %j is said as everything else is, with the help that helps', async (args, help) => {
    const { exitCode, stderr } = await vio(...args);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(
      new RegExp(`^vio: .+\\n {2}remedy: see ${help} --help\\n {2}code: VIO_CLI_USAGE\\n$`),
    );
  });

  it('with /dev/vhost-net is not said of the name of the tap', async () => {
    const { stderr } = await vio('run', 'path=/dev/vhost-net,iface=tap9,queues=1');
    expect(stderr).not.toContain('iface');
  });
});

describe('the paths', () => {
  it('are told with what stood in the way of the others only by --verbose', async () => {
    await startBackend(running, socket);
    const [usual, verbose] = [
      await vio('run', `path=${socket}`, '--duration', '0'),
      await vio('run', `path=${socket}`, '--duration', '0', '--verbose'),
    ].map(({ stdout }) => stdout.match(/^Rx not .+: .+$/gm)?.length ?? 0);
    expect([usual, verbose > 0]).toEqual([0, true]);
  });
});
