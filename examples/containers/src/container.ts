// Containers: namespaces, a root directory of their own, and one shared directory. See container.sh.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../container.sh', import.meta.url));

/** What containers see of the machine besides its programs: the smallest folder that has this program and its packages in it. */
const project = ['@vio/cli/bin/vio.js', '@vio/virtio-user']
  .map((specifier) => dirname(fileURLToPath(import.meta.resolve(specifier))))
  .reduce(commonFolder, dirname(script));

function commonFolder(one: string, other: string): string {
  return relative(one, other).startsWith('..') ? commonFolder(dirname(one), other) : one;
}

/** What a container shares with the machine: a directory, and where it is inside. */
export interface Shared {
  readonly directory: string;
  readonly place: string;
}

/** A Node program in a container: created, which makes its namespaces, and then started, as container runtimes do. */
export class Container {
  readonly #process: ChildProcess;
  #said = '';

  /** @param program path of a script of this project */
  constructor({ directory, place }: Shared, program: string, ...args: readonly string[]) {
    // It waits for a line before it becomes the program.
    const words = ['sh', '-c', 'read -r start && exec "$@"', 'sh', process.execPath, program, ...args];
    this.#process = spawn('sh', [script, `${directory}:${place}`, ...words], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'], VIO_PROJECT: project },
    });
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#said += text));
    // One that has ended is told by its exit code.
    this.#process.stdin?.on('error', () => {});
  }

  /** Everything it has written so far. */
  get said(): string {
    return this.#said;
  }

  /** The path of its network namespace, once that is there. @throws Error when it ends before */
  async network(): Promise<string> {
    const path = `/proc/${this.#process.pid}/ns/net`;
    await this.#until(() => namespaceAt(path) !== namespaceAt('/proc/self/ns/net'));
    return path;
  }

  start(): void {
    this.#process.stdin?.end('start\n');
  }

  /** Until it has written something. @throws Error when it ends before */
  says(pattern: RegExp): Promise<void> {
    return this.#until(() => pattern.test(this.#said));
  }

  /** Until it is over. @throws Error when it failed */
  async ended(): Promise<void> {
    if (this.#process.exitCode === null) await once(this.#process, 'close');
    if (this.#process.exitCode !== 0)
      throw new Error(`a container ended with ${String(this.#process.exitCode)}`);
  }

  /** Ends it, with all that runs in it. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill('SIGKILL');
    await once(this.#process, 'close');
  }

  async #until(done: () => boolean): Promise<void> {
    while (!done()) {
      if (this.#process.exitCode !== null)
        throw new Error(`a container ended with ${this.#process.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** Which namespace it is; that of this process for one that cannot be looked at yet. */
function namespaceAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return readlinkSync('/proc/self/ns/net');
  }
}
