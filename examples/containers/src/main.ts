// Two containers without a network talk to each other through a switch in a third one. Their ports are made by the CNI plugin, which
// is called here as a container runtime calls it.
// Usage: node dist/main.js [FRAMES [DIRECTORY]]: with a directory, whoever serves ping.sock and pong.sock there is the switch, and no plugin is.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Container, type Shared } from './container.ts';
import { Network } from './plugin.ts';

const frames = process.argv[2] ?? '1000';
if (!(Number(frames) > 0)) {
  console.error('usage: node dist/main.js [FRAMES [DIRECTORY]]');
  process.exit(2);
}
const host = fileURLToPath(new URL('./host.js', import.meta.url));
const vio = fileURLToPath(import.meta.resolve('@vio/cli/bin/vio.js'));
/** Who answers is there first. */
const macs = { pong: '02:00:00:00:00:02', ping: '02:00:00:00:00:01' } as const;
const names = ['pong', 'ping'] as const;

const served = process.argv[3];
const directory = served ?? (await mkdtemp(join(tmpdir(), 'vio-containers-')));
const containers: Container[] = [];
const create = (shared: Shared, program: string, ...args: string[]): Container => {
  const container = new Container(shared, program, ...args);
  containers.push(container);
  return container;
};

/** Starts the switch: it sees the directory where everybody does, so that a path means the same to it and to the plugin. */
async function startSwitch(): Promise<Network> {
  const control = join(directory, 'control.sock');
  const config = join(directory, 'switch.json');
  await writeFile(config, JSON.stringify({ control, bridges: [{ name: 'br0' }] }));
  const fabric = create({ directory, place: directory }, vio, 'switch', 'run', '--config', config);
  fabric.start();
  await fabric.says(/^switching/m);
  return new Network({
    cniVersion: '1.1.0',
    name: 'example',
    type: 'vio-cni',
    bridge: 'br0',
    control,
    socketDir: join(directory, '{containerId}'),
    containerDir: '/run/vio',
  });
}

/** A container with a port of the network: it is created, gets its port, and is started. */
async function runAttached(network: Network, name: (typeof names)[number]): Promise<Container> {
  const own = join(directory, name);
  await mkdir(own);
  const container = create({ directory: own, place: '/run/vio' }, host, name, frames);
  await network.add(name, await container.network(), macs[name]);
  container.start();
  return container;
}

/** A container whose socket somebody serves. */
function runServed(name: (typeof names)[number]): Container {
  const container = create({ directory, place: '/run/vio' }, host, name, frames, `/run/vio/${name}.sock`);
  container.start();
  return container;
}

/** Takes their ports away, which takes their sockets away. */
async function detach(network: Network): Promise<void> {
  for (const name of names) {
    await network.delete(name);
    if (existsSync(join(directory, name, 'eth0.sock'))) throw new Error(`the socket of ${name} is left`);
  }
}

try {
  const network = served === undefined ? await startSwitch() : undefined;
  const running: Container[] = [];
  for (const name of names)
    running.push(network === undefined ? runServed(name) : await runAttached(network, name));
  await running[1].ended();
  console.log(
    running
      .map(({ said }) => said)
      .join('')
      .trimEnd(),
  );
  if (network !== undefined) await detach(network);
} finally {
  for (const container of containers) await container.stop();
  if (served === undefined) await rm(directory, { recursive: true, force: true });
}
