// Podman with its CNI backend, everything of it in one directory: no image, no network of this machine is touched.
import { execFile } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  realpathSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PtyProcess } from '../pty-process.ts';

export const project = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');
const installer = join(project, 'packages/cni/deploy/install-cni.sh');
const run = promisify(execFile);

/** The user of a pod. */
export const podUser = 1000;

/** What a container runs, and what it is given. */
export interface PodOptions {
  readonly name: string;
  readonly network: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export class Podman {
  readonly #directory: string;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(directory: string) {
    this.#directory = directory;
    this.#env = { ...process.env, CONTAINERS_CONF: this.#at('containers.conf') };
  }

  /** @param directory of its own; its `pods` has a directory for each pod, which is the pod's /run/vio */
  static async prepare(directory: string): Promise<Podman> {
    const podman = new Podman(directory);
    await podman.#prepare();
    return podman;
  }

  /** Directory of plugins (CNI_PATH). */
  get plugins(): string {
    return this.#at('bin');
  }

  /** What the runtime has asked plugins for, in order: CNI_COMMAND and CNI_IFNAME. */
  get callsFile(): string {
    return this.#at('calls');
  }

  /** Makes a network of a conf list. */
  network(name: string, plugin: object): void {
    const conf = { cniVersion: '1.0.0', name, plugins: [{ type: 'vio-cni', bridge: 'br0', ...plugin }] };
    writeFileSync(this.#at(`net.d/${name}.conflist`), JSON.stringify(conf));
  }

  /** The directory that a pod has as its /run/vio, as a volume of Kubernetes is: made before the network, for the pod's user. */
  podDirectory(name: string): string {
    const directory = this.#at(`pods/${name}`);
    mkdirSync(directory, { recursive: true });
    chownSync(directory, podUser, podUser);
    return directory;
  }

  /**
   * Runs a container as the pod security standard `restricted` wants it: no root, no capability, no new privileges, a root file
   * system that is read-only. It has no network but its socket, and no hugepages.
   */
  start({ name, network, command, env = {} }: PodOptions): PtyProcess {
    const directory = this.podDirectory(name);
    const words = [
      ...this.#podman,
      'run',
      `--name=${name}`,
      `--network=${network}`,
      `--user=${podUser}:${podUser}`,
      '--rm',
      '--interactive',
      '--read-only',
      '--cap-drop=all',
      '--security-opt=no-new-privileges',
      // No more than this process may give.
      '--ulimit=nofile=1024:1024',
      '--ulimit=nproc=4096:4096',
      ...readOnly().map((path) => `--volume=${path}:${path}:ro`),
      `--volume=${directory}:/run/vio`,
      ...Object.entries(env).map(([key, value]) => `--env=${key}=${value}`),
      '--rootfs',
      this.#at('rootfs'),
      ...command,
    ];
    const assignment = `CONTAINERS_CONF=${this.#at('containers.conf')}`;
    return new PtyProcess(['env', assignment, ...words]);
  }

  /** One call of podman. @returns what it printed */
  async call(...args: readonly string[]): Promise<string> {
    const [program, ...words] = this.#podman;
    return (await run(program, [...words, ...args], { env: this.#env })).stdout;
  }

  get #podman(): [string, ...string[]] {
    const { root, runroot } = { root: this.#at('root'), runroot: this.#at('runroot') };
    return ['podman', '--root', root, '--runroot', runroot, '--storage-driver', 'vfs'];
  }

  async #prepare(): Promise<void> {
    for (const directory of ['bin', 'net.d', 'pods', 'etc'])
      mkdirSync(this.#at(directory), { recursive: true });
    writeFileSync(this.#at('containers.conf'), this.#configuration());
    makeRoot(this.#at('rootfs'));
    await run(installer, [this.plugins]);
    watchPlugin(this.plugins, this.callsFile);
  }

  #configuration(): string {
    return `[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[network]
network_backend = "cni"
cni_plugin_dirs = ["${this.plugins}"]
network_config_dir = "${this.#at('net.d')}"
`;
  }

  #at(file: string): string {
    return join(this.#directory, file);
  }
}

/** Puts a program between the runtime and the plugin that notes down what is asked for, in a file. */
export function watchPlugin(plugins: string, calls: string): void {
  const plugin = join(plugins, 'vio-cni');
  const real = join(plugins, '.vio/vio-cni');
  renameSync(plugin, real);
  // One write of one line: calls may come side by side.
  const note = `echo "$CNI_COMMAND $CNI_IFNAME" >>${calls}`;
  writeFileSync(plugin, `#!/bin/sh\n${note}\nexec ${real}\n`);
  chmodSync(plugin, 0o755);
}

/** What containers see of this machine: its programs, Node, this project. */
export function readOnly(): string[] {
  const node = dirname(dirname(realpathSync(process.execPath)));
  return ['/usr', '/etc', project, ...(node.startsWith('/usr') ? [] : [node])];
}

/** Makes a root directory that has nothing but places for what is mounted. */
export function makeRoot(root: string): void {
  for (const directory of ['proc', 'sys', 'dev', 'tmp', 'run/vio', 'var', ...readOnly()])
    mkdirSync(join(root, directory), { recursive: true });
  for (const name of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(root, name));
  symlinkSync('/tmp', join(root, 'var/run'));
}

/** testpmd in a pod: no hugepages, no privilege. @param role of the application, as its network says */
export function testpmdCommand(role: 'client' | 'server'): string[] {
  const vdev = `net_virtio_user0,path=/run/vio/eth0.sock,mac=02:00:00:00:00:99${role === 'server' ? ',server=1' : ''}`;
  const eal = `--lcores=0@0,1@1 --no-huge -m 128 --no-pci --no-shconf --no-telemetry --iova-mode=va --vdev=${vdev}`;
  const own = '--total-num-mbufs=4096 --no-numa --no-mlockall --forward-mode=macswap --auto-start';
  return ['sh', '-c', `exec dpdk-testpmd ${eal} -- -i ${own}`];
}

export const appCommand = (frames: number): string[] => [
  process.execPath,
  join(project, 'test/dist/peers/pods/pod-app.js'),
  String(frames),
];
