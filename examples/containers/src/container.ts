// Containers: namespaces, a root directory of their own, and one shared directory. See container.sh.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../container.sh', import.meta.url));

/** A Node program in a container. Where the shared directory is inside: `/run/vio`. */
export class Container {
  readonly #process: ChildProcess;
  #said = '';

  /** @param shared directory that the container shares with others @param program path of a script of this project */
  constructor(shared: string, program: string, ...args: readonly string[]) {
    this.#process = spawn('sh', [script, shared, process.execPath, program, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'] },
    });
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#said += text));
  }

  /** Everything it has written so far. */
  get said(): string {
    return this.#said;
  }

  /** Until it has written something. @throws Error when it ends before */
  async says(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.#said)) {
      if (this.#process.exitCode !== null)
        throw new Error(`a container ended with ${this.#process.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
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
}
