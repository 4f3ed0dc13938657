// Open vSwitch with DPDK as the switch: its own database and daemon, in a directory of this test.
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { scratchDirectory } from '@vio/test-support';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filePrefix, preflight, removeFiles } from '../preflight.ts';
import { PtyProcess } from '../pty-process.ts';
import { callPlugin } from './caller.ts';
import { saying } from './daemon.ts';
import { project } from './podman.ts';

const run = promisify(execFile);
const directory = scratchDirectory('ovs');
const at = (file: string): string => join(directory, file);
const path = [at('bin')];
/** Of DPDK's files; no testpmd of this process has the number. */
const prefix = filePrefix(900);
const environment = ['env', `OVS_RUNDIR=${directory}`, `OVS_DBDIR=${directory}`, `OVS_LOGDIR=${directory}`];
const daemon = '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk';
const programs: PtyProcess[] = [];

const vsctl = async (...args: readonly string[]): Promise<string> =>
  (await run('ovs-vsctl', [`--db=unix:${at('db.sock')}`, '--timeout=20', ...args])).stdout.trim();

const startDaemon = (): PtyProcess => {
  const program = new PtyProcess([...environment, daemon, `unix:${at('db.sock')}`, '--pidfile']);
  programs.push(program);
  return program;
};

beforeAll(async () => {
  if (!existsSync(daemon))
    throw new Error('Open vSwitch is missing: apt-get install openvswitch-switch-dpdk');
  preflight(256);
  await run(join(project, 'packages/cni/deploy/install-cni.sh'), [at('bin')]);
  writeFileSync(at('vsctl'), `#!/bin/sh\nexec /usr/bin/ovs-vsctl --db=unix:${at('db.sock')} "$@"\n`, {
    mode: 0o755,
  });
  await run('ovsdb-tool', ['create', at('conf.db'), '/usr/share/openvswitch/vswitch.ovsschema']);
  const database = ['ovsdb-server', at('conf.db'), `--remote=punix:${at('db.sock')}`, '--pidfile'];
  programs.push(new PtyProcess([...environment, ...database]));
  await programs[0].until(() => existsSync(at('db.sock')), 10_000);
  await vsctl('--no-wait', 'init');
  const settings = {
    'dpdk-init': 'true',
    'dpdk-socket-mem': '256',
    'dpdk-lcore-mask': '0x1',
    'pmd-cpu-mask': '0x2',
    'dpdk-extra': `"--no-pci --no-telemetry --file-prefix=${prefix}"`,
  };
  const words = Object.entries(settings).map(([key, value]) => `other_config:${key}=${value}`);
  await vsctl('--no-wait', 'set', 'Open_vSwitch', '.', ...words);
  startDaemon();
  await vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev');
}, 60_000);
afterAll(async () => {
  for (const program of programs) program.kill();
  for (const program of programs) await program.until(() => program.exit !== undefined, 10_000);
  removeFiles(prefix);
});

const conf = (more: object = {}): object => ({
  cniVersion: '1.1.0',
  name: 'fast',
  type: 'vio-cni',
  backend: 'ovs',
  bridge: 'br0',
  ovsctl: at('vsctl'),
  socketDir: at('pods'),
  ...more,
});
const call = (command: 'ADD' | 'DEL' | 'CHECK' | 'STATUS' | 'GC', container = '', more: object = {}) =>
  callPlugin(path, conf(more), { command, container, netns: '/run/netns/x' });
/** Ports of containers. */
const ports = async (): Promise<string[]> => (await vsctl('list-ports', 'br0')).split('\n').filter(Boolean);
const files = (): string[] => (existsSync(at('pods')) ? readdirSync(at('pods')) : []);

describe('Open vSwitch with DPDK', () => {
  it('is ready, and has its bridge', async () => {
    expect(await vsctl('get', 'Open_vSwitch', '.', 'dpdk_initialized')).toBe('true');
    expect(await call('STATUS')).toBe(undefined);
  });

  it('connects two applications of Node, and has nothing of them when they are gone', async () => {
    for (const container of ['server', 'client']) {
      const prevResult = await call('ADD', container, { mtu: 1400 });
      await call('CHECK', container, { mtu: 1400, prevResult });
    }
    const app = join(project, 'examples/udp-service/dist/main.js');
    const start = (container: string, ...args: readonly string[]): PtyProcess => {
      const info = `VIO_DEVICE_INFO=${at(`pods/${container}-eth0.json`)}`;
      return new PtyProcess(['env', info, process.execPath, app, ...args]);
    };
    const server = start('server', 'serve', '10.56.0.1');
    const client = start('client', 'ask', '10.56.0.2', '10.56.0.1', 'www.vio.test');
    try {
      await saying(client, /www\.vio\.test: 10\.56\.0\.80/);
    } finally {
      server.kill();
      client.kill();
    }
    await call('GC', '', { 'cni.dev/valid-attachments': [{ containerID: 'client', ifname: 'eth0' }] });
    expect(await ports()).toHaveLength(1);
    for (let i = 0; i < 2; i++) await call('DEL', 'client');
    expect([await ports(), files()]).toEqual([[], []]);
  });

  it('whose daemon is away is asked later, and its database has no port until then', async () => {
    const program = programs[1];
    program.kill();
    await program.until(() => program.exit !== undefined, 10_000);
    const code = await call('ADD', 'late', { timeout: 1000 }).catch((error: { code: number }) => error.code);
    expect([code, await ports(), files()]).toEqual([11, [], []]);
    startDaemon();
    await call('ADD', 'late', { timeout: 20_000 });
    await call('DEL', 'late');
    expect([await ports(), files()]).toEqual([[], []]);
  });
});
