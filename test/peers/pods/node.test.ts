// A node with many containers: the plugin is called as a runtime calls it, with Debian's host-local for addresses.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { scratchDirectory, until } from '@vio/test-support';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PtyProcess } from '../pty-process.ts';
import { type PluginFailure, callPlugin } from './caller.ts';
import { SwitchDaemon } from './daemon.ts';
import { writeSpec } from './oci-spec.ts';
import { makeRoot, project } from './podman.ts';

const run = promisify(execFile);
const directory = scratchDirectory('node');
const at = (file: string): string => join(directory, file);
const path = [at('bin'), '/usr/lib/cni'];
let daemon: SwitchDaemon;

beforeAll(async () => {
  mkdirSync(at('switch'));
  await run(join(project, 'packages/cni/deploy/install-cni.sh'), [at('bin')]);
  daemon = await SwitchDaemon.start(at('switch'));
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose]());

/** Without addresses in 1.1, which Debian's host-local does not speak. */
const conf = (cniVersion: '1.0.0' | '1.1.0', more: object = {}): object => ({
  cniVersion,
  name: 'fast',
  type: 'vio-cni',
  bridge: 'br0',
  control: daemon.control,
  socketDir: at('pods'),
  ...(cniVersion === '1.1.0'
    ? {}
    : { ipam: { type: 'host-local', subnet: '10.56.0.0/16', dataDir: at('addresses') } }),
  ...more,
});

const add = (container: string, fields: object): Promise<unknown> =>
  callPlugin(path, fields, { command: 'ADD', container, netns: `/run/netns/${container}` });

/** Runs what is to be done for each of them, four at a time. */
async function forEach(
  containers: readonly string[],
  action: (container: string) => Promise<unknown>,
): Promise<void> {
  const left = [...containers];
  const work = async (): Promise<void> => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) await action(next);
  };
  await Promise.all([work(), work(), work(), work()]);
}

/** Addresses that host-local has given away. */
const addresses = (): string[] =>
  existsSync(at('addresses/fast'))
    ? readdirSync(at('addresses/fast')).filter((file) => file.startsWith('10.'))
    : [];

const files = (): string[] => (existsSync(at('pods')) ? readdirSync(at('pods')) : []);

describe('two hundred containers', () => {
  it('are added and deleted side by side, by a plugin that starts anew each time, and nothing is left', async () => {
    const containers = Array.from({ length: 200 }, (_, i) => `c${i}`);
    const fields = conf('1.0.0');
    await add('first', fields);
    await callPlugin(path, fields, { command: 'DEL', container: 'first' });
    const before = daemon.descriptors;
    const given = new Set<string>();
    await forEach(containers, async (container) => {
      const { ips } = (await add(container, fields)) as { ips: { address: string }[] };
      given.add(ips[0].address);
      await callPlugin(path, fields, { command: 'DEL', container });
    });
    expect(given.size).toBeGreaterThan(0);
    expect({ ports: await daemon.ports(), files: files(), addresses: addresses() }).toEqual({
      ports: [],
      files: [],
      addresses: [],
    });
    // Who has just asked it is gone only when it has seen that.
    await until(() => daemon.descriptors <= before);
    expect(daemon.descriptors).toBeLessThanOrEqual(before);
  }, 200_000);

  it('of one name: one of those who come at once gets the port, the others are told that it is there', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => add('same', conf('1.1.0'))));
    const codes = outcomes.map((outcome) =>
      outcome.status === 'fulfilled' ? 0 : (outcome.reason as PluginFailure).code,
    );
    expect(codes.toSorted((a, b) => a - b)).toEqual([0, 100, 100, 100, 100, 100]);
    await callPlugin(path, conf('1.1.0'), { command: 'DEL', container: 'same' });
    expect([await daemon.ports(), files()]).toEqual([[], []]);
  });
});

describe('a node that starts again', () => {
  it('has its ports until GC, which leaves none of containers that are gone', async () => {
    const fields = conf('1.1.0');
    await forEach(['old1', 'old2', 'kept'], (container) => add(container, fields));
    await daemon.stop('SIGKILL');
    await daemon.begin();
    expect(await daemon.ports()).toHaveLength(3);
    const valid = [{ containerID: 'kept', ifname: 'eth0' }];
    await callPlugin(path, { ...fields, 'cni.dev/valid-attachments': valid }, { command: 'GC' });
    expect([await daemon.ports(), files().toSorted()]).toEqual([
      ['cni:fast:kept:eth0'],
      ['kept-eth0.json', 'kept-eth0.sock'],
    ]);
    await callPlugin(path, fields, { command: 'GC' });
    expect([await daemon.ports(), files()]).toEqual([[], []]);
  });

  it('before 1.1 has them until each is deleted, addresses as well', async () => {
    const fields = conf('1.0.0');
    await forEach(['old1', 'old2'], (container) => add(container, fields));
    await daemon.stop('SIGKILL');
    await daemon.begin();
    // As runtimes do for what they remember.
    await forEach(['old1', 'old2'], (container) => callPlugin(path, fields, { command: 'DEL', container }));
    expect([await daemon.ports(), files(), addresses()]).toEqual([[], [], []]);
  });
});

describe('a socket directory', () => {
  it('that is full has nothing half made in it, and no port', async () => {
    mkdirSync(at('full'));
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m,nr_inodes=2', 'none', at('full')]);
    try {
      // One inode is the directory, one the socket: there is none for what stands beside it.
      const outcome = await add('one', conf('1.0.0', { socketDir: at('full') })).catch(
        (error: PluginFailure) => error.code,
      );
      expect([outcome, readdirSync(at('full')), await daemon.ports(), addresses()]).toEqual([5, [], [], []]);
    } finally {
      await run('umount', [at('full')]);
    }
  });

  it('that cannot be written to is refused', async () => {
    mkdirSync(at('fixed'));
    await run('mount', ['-t', 'tmpfs', '-o', 'ro', 'none', at('fixed')]);
    try {
      const outcome = await add('one', conf('1.0.0', { socketDir: at('fixed') })).catch(
        (error: PluginFailure) => error.code,
      );
      expect([outcome, await daemon.ports(), addresses()]).toEqual([5, [], []]);
    } finally {
      await run('umount', [at('fixed')]);
    }
  });
});

describe('a switch that is away', () => {
  it('lets nothing be half made: no address, no file, and the code that says when to try again', async () => {
    await daemon.stop();
    const outcome = await add('late', conf('1.0.0', { timeout: 500 })).catch(
      (error: PluginFailure) => error.code,
    );
    expect([outcome, files(), addresses()]).toEqual([11, [], []]);
    await daemon.begin();
  });
});

/** crun refuses machines that have cgroups of both kinds: it sees none, in mounts of its own. */
const withoutCgroups = [
  'unshare',
  '--mount',
  'sh',
  '-c',
  'mount -t tmpfs none /sys/fs/cgroup && exec "$@"',
  'sh',
];

describe.each<[string, readonly string[]]>([
  ['runc', ['runc']],
  ['crun', [...withoutCgroups, 'crun', '--cgroup-manager=disabled']],
])('%s', (runtime, program) => {
  /** A bundle whose process is this user, in a network namespace that was made before. */
  async function bundle(name: string, command: readonly string[]): Promise<string> {
    const place = at(`bundles/${name}`);
    mkdirSync(place, { recursive: true });
    makeRoot(join(place, 'rootfs'));
    await run('ip', ['netns', 'add', `vio-${process.pid}-${name}`]);
    await writeSpec(place, {
      runtime,
      command,
      rootfs: 'rootfs',
      shared: at(`pods/${name}`),
      netns: `/run/netns/vio-${process.pid}-${name}`,
    });
    return place;
  }

  it('runs two containers that ask and answer for names, as any user, each with the directory of its socket', async () => {
    const fields = conf('1.0.0', {
      socketDir: at('pods/{containerId}'),
      containerDir: '/run/vio',
      uid: 1000,
      socketMode: '600',
    });
    const app = join(project, 'examples/udp-service/dist/main.js');
    const commands = {
      [`${runtime}-server`]: [process.execPath, app, 'serve', '10.56.0.1'],
      [`${runtime}-client`]: [process.execPath, app, 'ask', '10.56.0.2', '10.56.0.1', 'www.vio.test'],
    };
    const programs: PtyProcess[] = [];
    try {
      for (const [name, command] of Object.entries(commands)) {
        await add(name, fields);
        expect(statSync(at(`pods/${name}/eth0.sock`)).uid).toBe(1000);
        const place = await bundle(name, command);
        programs.push(new PtyProcess([...program, '--root', at(runtime), 'run', '--bundle', place, name]));
      }
      const [, client] = programs;
      await client.until(() => client.exit !== undefined, 30_000);
      expect([client.output.trim(), client.exit]).toEqual(['www.vio.test: 10.56.0.80', 'code 0']);
    } finally {
      for (const name of Object.keys(commands)) {
        await run(runtime, ['--root', at(runtime), 'delete', '--force', name]).catch(() => {});
        await callPlugin(path, fields, { command: 'DEL', container: name });
        await run('ip', ['netns', 'del', `vio-${process.pid}-${name}`]);
      }
      for (const ended of programs) await ended.until(() => ended.exit !== undefined, 10_000);
    }
    expect([await daemon.ports(), files(), addresses()]).toEqual([[], [], []]);
  });
});
