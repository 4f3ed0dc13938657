// containerd, in directories of this test: its own client asks the plugin for a port, as it does for every container with a network.
import { execFile } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { scratchDirectory, until } from '@vio/test-support';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PtyProcess } from '../pty-process.ts';
import { SwitchDaemon } from './daemon.ts';
import { writeSpec } from './oci-spec.ts';
import { makeRoot, podUser, project, watchPlugin } from './podman.ts';

const run = promisify(execFile);
const directory = scratchDirectory('ctd');
const at = (file: string): string => join(directory, file);
let daemon: SwitchDaemon;
let containerd: PtyProcess;

beforeAll(async () => {
  for (const place of ['switch', 'bin', 'net.d', 'pods', 'state']) mkdirSync(at(place));
  makeRoot(at('rootfs'));
  await run(join(project, 'packages/cni/deploy/install-cni.sh'), [at('bin')]);
  watchPlugin(at('bin'), at('calls'));
  daemon = await SwitchDaemon.start(at('switch'));
  const plugin = {
    type: 'vio-cni',
    bridge: 'br0',
    control: daemon.control,
    socketDir: at('pods/{containerId}'),
    containerDir: '/run/vio',
    uid: podUser,
    gid: podUser,
    socketMode: '600',
  };
  const conf = { cniVersion: '1.0.0', name: 'fast', plugins: [plugin] };
  writeFileSync(at('net.d/10-fast.conflist'), JSON.stringify(conf));
  writeFileSync(
    at('config.toml'),
    `version = 2
root = "${at('root')}"
state = "${at('state')}"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${at('containerd.sock')}"
`,
  );
  containerd = new PtyProcess(['containerd', '--config', at('config.toml'), '--log-level', 'error']);
  await until(() => existsSync(at('containerd.sock')));
}, 60_000);
afterAll(async () => {
  for (const name of ['server', 'client'])
    await ctr('task', 'kill', '--signal', 'SIGKILL', name).catch(() => '');
  containerd.kill();
  await containerd.until(() => containerd.exit !== undefined, 10_000);
  await daemon[Symbol.asyncDispose]();
});

const address = ['--address', at('containerd.sock')];
const ctr = async (...args: readonly string[]): Promise<string> =>
  (await run('ctr', [...address, ...args])).stdout;

/**
 * A container as the pod security standard `restricted` wants it. The client looks for networks and plugins in /etc/cni/net.d and
 * /opt/cni/bin: in mounts of its own, these are the test's.
 */
async function start(name: string, command: readonly string[]): Promise<PtyProcess> {
  // Its directory is called as containerd calls the container: its namespace is in front.
  const shared = at(`pods/default-${name}`);
  mkdirSync(shared);
  chownSync(shared, podUser, podUser);
  mkdirSync(at(name));
  const spec = await writeSpec(at(name), { runtime: 'runc', command, rootfs: at('rootfs'), shared });
  const mounts = [
    'mount -t tmpfs none /opt && mkdir -p /opt/cni/bin && mount --bind "$1/bin" /opt/cni/bin',
    'mount -t tmpfs none /etc/cni && mkdir /etc/cni/net.d && mount --bind "$1/net.d" /etc/cni/net.d',
  ].join(' && ');
  const script = `mkdir -p /etc/cni /opt && ${mounts} && shift && exec ctr "$@"`;
  const words = [...address, 'run', '--rm', '--cni', `--config=${spec}`, name];
  return new PtyProcess(['unshare', '--mount', 'sh', '-c', script, 'sh', directory, ...words]);
}

describe('containerd', () => {
  it('runs two containers that ask and answer for names, and leaves nothing of them', async () => {
    const app = join(project, 'examples/udp-service/dist/main.js');
    const server = await start('server', [process.execPath, app, 'serve', '10.56.0.1']);
    await until(() => existsSync(at('pods/default-server/eth0.sock')));
    const client = await start('client', [
      process.execPath,
      app,
      'ask',
      '10.56.0.2',
      '10.56.0.1',
      'www.vio.test',
    ]);
    await client.until(() => client.exit !== undefined, 40_000);
    expect([client.output.trim(), client.exit]).toEqual(['www.vio.test: 10.56.0.80', 'code 0']);
    await ctr('task', 'kill', '--signal', 'SIGKILL', 'server');
    await server.until(() => server.exit !== undefined, 20_000);
    const calls = readFileSync(at('calls'), 'utf8').trim().split('\n');
    expect(calls.filter((line) => !line.startsWith('VERSION')).toSorted()).toEqual([
      'ADD eth0',
      'ADD eth0',
      'DEL eth0',
      'DEL eth0',
    ]);
    expect(await daemon.ports()).toEqual([]);
  });
});
