// A container runtime's part of CNI: the plugin is a program that is called with CNI_* in the environment and the conf on stdin.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../bin/vio-cni.js', import.meta.resolve('@vio/cni')));

/** A network of containers, as its conf says. */
export class Network {
  readonly #conf: object;

  constructor(conf: object) {
    this.#conf = conf;
  }

  /** Gives a container its port. @param netns path of its network namespace @throws Error what the plugin says */
  async add(container: string, netns: string, mac: string): Promise<void> {
    await this.#call({ CNI_COMMAND: 'ADD', CNI_CONTAINERID: container, CNI_NETNS: netns }, { mac });
  }

  /** Takes it away. One that is not there is taken away already. */
  async delete(container: string): Promise<void> {
    await this.#call({ CNI_COMMAND: 'DEL', CNI_CONTAINERID: container });
  }

  /** @param runtimeConfig what the runtime wants of this container's port */
  async #call(about: NodeJS.ProcessEnv, runtimeConfig: object = {}): Promise<void> {
    const child = spawn(process.execPath, [program], {
      env: { ...about, CNI_IFNAME: 'eth0', CNI_PATH: '/opt/cni/bin' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.end(JSON.stringify({ ...this.#conf, runtimeConfig }));
    const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
    if (code !== 0) throw new Error(`the plugin's ${about['CNI_COMMAND']} failed: ${said}`);
  }
}
