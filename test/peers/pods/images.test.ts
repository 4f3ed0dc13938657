// The images of packages/cni/deploy, built by podman and run as any user. Their base is made of this machine's Node, so no registry of
// images is asked; what their first stage makes (packages as they are published, and what they depend on) is made here, which spares
// the compilers. The last stage is the Dockerfile's.
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { scratchDirectory, until } from '@vio/test-support';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { project } from './podman.ts';

const directory = scratchDirectory('images');
const at = (file: string): string => join(directory, file);
const ulimits = ['--ulimit=nofile=1024:1024', '--ulimit=nproc=4096:4096'];
/** What each Dockerfile deploys, and where: its own words, which a test compares. */
const deployed = {
  switch: { '@vio/cli': 'packages/cli', '@vio/cni': 'packages/cni' },
  app: { '@vio-examples/udp-service': 'examples/udp-service' },
} as const;

/** Runs podman in directories of this test. @returns what it printed @throws Error with what it said when it fails */
async function podman(...args: readonly string[]): Promise<string> {
  const storage = ['--root', at('root'), '--runroot', at('runroot'), '--storage-driver', 'vfs'];
  const child = spawn('podman', [...storage, ...args], {
    env: { ...process.env, CONTAINERS_CONF: at('containers.conf') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [said, complained, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise((resolve) => child.on('close', resolve)),
  ]);
  if (code !== 0) throw new Error(`podman ${args.join(' ')}: ${complained.slice(-4000)}`);
  return said.trim();
}

/** A root directory with Node, and the libraries it names. */
function makeBase(root: string): void {
  for (const place of [
    'usr/local/bin',
    'usr/bin',
    'usr/lib',
    'usr/lib64',
    'tmp',
    'etc',
    'proc',
    'sys',
    'dev',
    'run',
    'var/lib',
  ])
    mkdirSync(join(root, place), { recursive: true });
  chmodSync(join(root, 'tmp'), 0o1777);
  for (const name of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(root, name));
  const node = realpathSync(process.execPath);
  cpSync(node, join(root, 'usr/local/bin/node'));
  const libraries = execFileSync('ldd', [node], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g);
  for (const [, library] of libraries) {
    const place = join(root, library.replace(/^\/(usr\/)?/, 'usr/'));
    mkdirSync(dirname(place), { recursive: true });
    cpSync(realpathSync(library), place);
  }
}

/** Builds an image; its first stage takes what was deployed here. */
async function build(name: keyof typeof deployed): Promise<void> {
  const context = at(`context-${name}`);
  mkdirSync(join(context, 'empty'), { recursive: true });
  for (const [filter, place] of Object.entries(deployed[name])) {
    const target = join(context, 'out', place);
    const pnpm = join(project, 'node_modules/.bin/pnpm');
    execFileSync(pnpm, ['--filter', filter, '--prod', '--legacy', 'deploy', target], {
      cwd: project,
      stdio: 'ignore',
    });
  }
  const lines = readFileSync(join(project, `packages/cni/deploy/Dockerfile.${name}`), 'utf8').split('\n');
  const last = lines.findLastIndex((line) => line.startsWith('FROM '));
  const first = ['FROM docker.io/library/node:22-bookworm AS build', 'COPY out /out', 'COPY empty /empty'];
  writeFileSync(at(`Dockerfile.${name}`), [...first, ...lines.slice(last)].join('\n'));
  const options = ['--isolation=chroot', '--pull=never', ...ulimits, `--tag=vio-${name}`];
  await podman('build', ...options, `--file=${at(`Dockerfile.${name}`)}`, context);
}

beforeAll(async () => {
  writeFileSync(
    at('containers.conf'),
    `[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
`,
  );
  makeBase(at('base'));
  execFileSync('tar', ['-C', at('base'), '-cf', at('base.tar'), '.']);
  for (const tag of ['22-bookworm', '22-bookworm-slim'])
    await podman('import', at('base.tar'), `docker.io/library/node:${tag}`);
  await build('switch');
  await build('app');
}, 400_000);
afterAll(async () => {
  await podman('rm', '--all', '--force').catch(() => '');
  await podman('rmi', '--all', '--force').catch(() => '');
}, 120_000);

it('have an application ask another one for a name, through the switch, all of them without any privilege', async () => {
  const shared = at('shared');
  mkdirSync(shared);
  // A volume that users share.
  chmodSync(shared, 0o777);
  const ports = ['server', 'client'].map((name) => ({
    name,
    bridge: 'br0',
    socket: `/run/vio/${name}.sock`,
    mode: '666',
  }));
  // One port on each thread: what a thread is started with is in the image as well.
  writeFileSync(at('switch.json'), JSON.stringify({ workers: 2, bridges: [{ name: 'br0' }], ports }));
  const restricted = [
    '--network=none',
    '--read-only',
    '--cap-drop=all',
    '--security-opt=no-new-privileges',
    ...ulimits,
    `--volume=${shared}:/run/vio`,
  ];
  const app = (name: string): string[] => [
    `--name=${name}`,
    ...restricted,
    `--env=VIO_DEVARGS=path=/run/vio/${name}.sock`,
    'vio-app',
  ];
  const config = `--volume=${at('switch.json')}:/etc/vio/switch.yaml:ro`;
  await podman('run', '--detach', '--name=switch', ...restricted, config, 'vio-switch');
  await until(() => existsSync(join(shared, 'client.sock')));
  await podman('run', '--detach', ...app('server'), 'serve', '10.56.0.1');
  const said = await podman('run', ...app('client'), 'ask', '10.56.0.2', '10.56.0.1', 'www.vio.test');
  expect(said).toContain('www.vio.test: 10.56.0.80');
  const users = await podman('inspect', '--format={{.Config.User}}', 'switch', 'server', 'client');
  expect(users.split('\n')).toEqual(['990:990', '1000:1000', '1000:1000']);
}, 120_000);

it('have what is installed on a node: the plugin in one file, and what installs it', async () => {
  const script = `const place = '/opt/vio/packages/cni';
    console.log(require('node:fs').existsSync(place + '/deploy/install-cni.sh'),
      require('node:child_process').execFileSync(process.execPath, [place + '/dist/vio-cni.cjs'],
        { env: { CNI_COMMAND: 'VERSION' }, encoding: 'utf8' }))`;
  const run = ['run', '--rm', '--network=none', '--entrypoint=node', ...ulimits, 'vio-switch', '-e', script];
  expect(await podman(...run)).toMatch(/^true \{"cniVersion":"1.1.0"/);
}, 60_000);
