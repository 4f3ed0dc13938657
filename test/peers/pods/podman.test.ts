// Pods of podman, wired by its CNI backend: testpmd in the one, an application of Node in the other, on different threads of the switch.
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { scratchDirectory } from '@vio/test-support';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PtyProcess } from '../pty-process.ts';
import { SwitchDaemon, saying } from './daemon.ts';
import { Podman, appCommand, podUser, project, testpmdCommand } from './podman.ts';

const directory = scratchDirectory('podman');
let daemon: SwitchDaemon;
let podman: Podman;

beforeAll(async () => {
  podman = await Podman.prepare(directory);
  mkdirSync(join(directory, 'switch'));
  daemon = await SwitchDaemon.start(join(directory, 'switch'), 2);
  for (const mode of ['client', 'server']) {
    podman.network(mode, {
      control: daemon.control,
      mode,
      socketDir: join(directory, 'pods/{podName}'),
      containerDir: '/run/vio',
      uid: podUser,
      gid: podUser,
      socketMode: '600',
    });
  }
}, 60_000);
afterAll(async () => {
  // Of a test that failed.
  await podman.call('rm', '--all', '--force');
  await daemon[Symbol.asyncDispose]();
});

let serial = 0;

/** A pod with testpmd, which sends back what it gets. */
async function startTestpmd(role: 'client' | 'server'): Promise<{ name: string; program: PtyProcess }> {
  const name = `pmd${serial++}`;
  const program = podman.start({ name, network: role, command: testpmdCommand(role) });
  await saying(program, /testpmd> /);
  return { name, program };
}

/** A pod with the application. */
function startApp(frames: number): { name: string; program: PtyProcess } {
  const name = `app${serial++}`;
  return { name, program: podman.start({ name, network: 'client', command: appCommand(frames) }) };
}

async function end({ name, program }: { name: string; program: PtyProcess }): Promise<void> {
  await podman.call('kill', name).catch(() => {});
  await program.until(() => program.exit !== undefined, 20_000);
}

/** What is left of pods: ports of the switch, and files beside sockets. */
async function left(): Promise<{ ports: string[]; files: string[] }> {
  const pods = join(directory, 'pods');
  return {
    ports: await daemon.ports(),
    files: readdirSync(pods).flatMap((pod) => readdirSync(join(pods, pod))),
  };
}

const nothing = { ports: [], files: [] };

describe('podman', () => {
  it('asks the plugin for its versions, for a port, and to take it away', async () => {
    const program = podman.start({ name: 'trial', network: 'client', command: ['sh', '-c', 'ls /run/vio'] });
    await program.until(() => program.exit !== undefined, 40_000);
    expect([program.output.trim().split(/\s+/), program.exit]).toEqual([
      ['eth0.json', 'eth0.sock'],
      'code 0',
    ]);
    const calls = readFileSync(podman.callsFile, 'utf8').trim().split('\n');
    expect(new Set(calls.map((line) => line.split(' ')[0]))).toEqual(new Set(['VERSION', 'ADD', 'DEL']));
    expect(calls.filter((line) => !line.startsWith('VERSION'))).toEqual(['ADD eth0', 'DEL eth0']);
    expect(await left()).toEqual(nothing);
  });
});

describe('a backend in a pod', () => {
  it('is forbidden userfaultfd: a guest that comes before its memory is sent away by name, others are served', async () => {
    const command = [process.execPath, join(project, 'test/dist/peers/pods/postcopy-app.js')];
    const program = podman.start({ name: 'late', network: 'client', command });
    await program.until(() => program.exit !== undefined, 40_000);
    expect([program.exit, program.output]).toEqual(['code 0', expect.anything()]);
    expect(JSON.parse(program.output.trim())).toEqual({
      code: 'VIO_USERFAULTFD',
      message: 'cannot wait for pages of memory: userfaultfd says EPERM',
      remedy: expect.stringMatching(/unprivileged_userfaultfd=1[^]*CAP_SYS_PTRACE[^]*seccomp/),
      served: true,
    });
    expect(await left()).toEqual(nothing);
  });
});

describe('two pods without any privilege, testpmd and an application of Node', () => {
  it.each(['client', 'server'] as const)('exchange frames, bit for bit (testpmd is the %s)', async (role) => {
    const testpmd = await startTestpmd(role);
    const app = startApp(1000);
    try {
      await app.program.until(() => app.program.exit !== undefined, 40_000);
      expect(app.program.output).toContain('1000 frames came back, every bit as it was sent');
      const rights: unknown = JSON.parse(app.program.output.split('\n')[0]);
      expect(rights).toEqual({ uid: podUser, capabilities: '0000000000000000', root: 'read-only' });
    } finally {
      await end(app);
      await end(testpmd);
    }
    expect(await left()).toEqual(nothing);
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'go on when the switch between them is ended by %s, and starts again',
    async (signal) => {
      const testpmd = await startTestpmd('server');
      const app = startApp(1_000_000);
      try {
        for (let round = 1; round <= 3; round++) {
          const [, before = '0'] = await saying(app.program, /(\d+) frames came back\n/);
          await daemon.stop(signal);
          await daemon.begin();
          const past = (): boolean =>
            [...app.program.output.matchAll(/(\d+) frames came back\n/g)].some(
              ([, count]) => Number(count) >= Number(before) + 300 * round,
            );
          await app.program.until(past, 20_000);
          if (!past()) throw new Error(`no frames came back after restart ${round}:\n${app.program.output}`);
        }
        expect(app.program.exit).toBe(undefined);
      } finally {
        await end(app);
        await end(testpmd);
      }
      expect(await left()).toEqual(nothing);
    },
  );

  it('leave nothing when one of them is killed, and the other goes on with who comes next', async () => {
    const testpmd = await startTestpmd('server');
    try {
      for (let round = 0; round < 2; round++) {
        const app = startApp(1_000_000);
        await saying(app.program, /\d+ frames came back/);
        await podman.call('kill', '--signal', 'KILL', app.name);
        await app.program.until(() => app.program.exit !== undefined, 20_000);
        expect((await daemon.ports()).length).toBe(1);
        expect(readdirSync(podman.podDirectory(app.name))).toEqual([]);
      }
    } finally {
      await end(testpmd);
    }
    expect(await left()).toEqual(nothing);
  });
});
