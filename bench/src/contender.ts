import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Testpmd, type TestpmdOptions } from '@vio/test/testpmd';
import type { Mode, Side } from './modes.ts';
import type { Variation } from './options.ts';
import type { Answer, Order } from './own/contender-process.ts';
import type { Polls } from './own/polls.ts';
import { commandText } from './report/command.ts';

/** Who is measured against the common peer. */
export interface Contender {
  /** The command line, to be repeated by hand. */
  readonly command: string;
  start(mode: Mode, length: number): Promise<void>;
  stop(): Promise<void>;
  /** What its polls have found since the last time; undefined: it does not count them. */
  takePolls(): Promise<Polls | undefined>;
  close(): Promise<void>;
}

export class TestpmdContender implements Contender {
  readonly #testpmd: Testpmd;

  private constructor(testpmd: Testpmd) {
    this.#testpmd = testpmd;
  }

  static async open(options: TestpmdOptions): Promise<TestpmdContender> {
    return new TestpmdContender(await Testpmd.start(options));
  }

  get command(): string {
    return commandText(this.#testpmd.command);
  }

  async start(mode: Mode, length: number): Promise<void> {
    await this.#testpmd.run(`set txpkts ${length}`);
    await this.#testpmd.run(`set fwd ${mode}`);
    await this.#testpmd.run('start');
  }

  stop(): Promise<void> {
    return this.#testpmd.stop();
  }

  takePolls(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  close(): Promise<void> {
    return this.#testpmd.quit();
  }
}

const script = fileURLToPath(new URL('./own/contender-process.js', import.meta.url));

/** Our process: plain Node, pinned to one CPU with all its threads. */
export class OwnContender implements Contender {
  readonly command: string;
  readonly #child: ChildProcess;

  private constructor(side: Side, where: string, cpu: number, variation: Variation = {}) {
    const command = ['taskset', '-c', String(cpu), process.execPath, script, side, where];
    if (variation.options !== undefined) command.push(JSON.stringify(variation.options));
    this.command = commandText(command);
    this.#child = spawn(command[0], command.slice(1), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, ...variation.env },
    });
  }

  static async openFrontend(devargs: string, cpu: number, variation: Variation = {}): Promise<OwnContender> {
    const own = variation.devargs === undefined ? devargs : `${devargs},${variation.devargs}`;
    const contender = new OwnContender('frontend', own, cpu, variation);
    await contender.#hear('ready');
    return contender;
  }

  /** Resolves when the socket is there; the frontend comes later. */
  static async listen(socket: string, cpu: number, variation: Variation = {}): Promise<OwnContender> {
    const contender = new OwnContender('backend', socket, cpu, variation);
    await contender.#hear('listening');
    return contender;
  }

  /** For a backend: resolves when the frontend is there. */
  async connected(): Promise<void> {
    await this.#hear('ready');
  }

  async start(mode: Mode, length: number): Promise<void> {
    await this.#order({ to: 'run', mode, length }, 'started');
  }

  async stop(): Promise<void> {
    await this.#order({ to: 'stop' }, 'stopped');
  }

  async takePolls(): Promise<Polls | undefined> {
    const { polls } = await this.#order({ to: 'count' }, 'counted');
    return polls;
  }

  async close(): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await exit;
  }

  #order(order: Order, answer: Answer['said']): Promise<Answer> {
    this.#child.send(order);
    return this.#hear(answer);
  }

  async #hear(expected: Answer['said']): Promise<Answer> {
    const heard = new AbortController();
    const { signal } = heard;
    const ended = once(this.#child, 'exit', { signal }).then(([code]) => {
      throw new Error(`our process ended (${String(code)}) before it was ${expected}`);
    });
    const [answer]: Answer[] = await Promise.race([once(this.#child, 'message', { signal }), ended]).finally(
      () => {
        ended.catch(() => {}); // aborted: it has spoken, and may end
        heard.abort();
      },
    );
    if (answer.said !== expected) throw new Error(`our process said ${answer.said} instead of ${expected}`);
    return answer;
  }
}
