import { existsSync } from 'node:fs';
import { MessageChannel, Worker } from 'node:worker_threads';
import { VioError } from '@vio/native';
import { shortTimeout } from '@vio/native/internal';
import { Asking } from './asking.ts';
import {
  type NumberedOrder,
  type Question,
  type ThreadReport,
  type ThreadStart,
  receivedError,
} from './messages.ts';
import type { PortSight, SwitchThread, ThreadOrder, ThreadsListener } from './switch-thread.ts';
import { within } from './within.ts';

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (reason: VioError) => void;
}

/** What is seen of a port whose thread does not answer. */
const unseen: PortSight = { link: undefined, state: 'waiting', stats: {}, rings: [], dump: [] };

/** Another thread with ports of a switch. */
export class WorkerThread implements SwitchThread {
  readonly #number: number;
  readonly #listener: ThreadsListener;
  readonly #worker: Worker;
  readonly #asking: Asking;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #failure: VioError | undefined;
  #ending = false;

  private constructor(number: number, start: Pick<ThreadStart, 'trunks'>, listener: ThreadsListener) {
    this.#number = number;
    this.#listener = listener;
    const { port1, port2 } = new MessageChannel();
    const answered = new SharedArrayBuffer(4);
    this.#asking = new Asking({ port: port1, answered });
    this.#worker = new Worker(threadProgram(), {
      name: `vio switch ${number}`,
      workerData: { number, ...start, asking: { port: port2, answered } } satisfies ThreadStart,
      transferList: [port2],
      // What the program was started with is for its own modules.
      execArgv: [],
    });
    this.#worker.on('message', (report: ThreadReport) => this.#hear(report));
    this.#worker.on('error', (cause) =>
      this.#fail(cause instanceof Error ? cause.message : String(cause), cause),
    );
    this.#worker.on('exit', (code) => {
      this.#fail(`it has ended with code ${code}`);
      listener.ended(number);
    });
  }

  /** @throws VioError VIO_SWITCH_THREAD */
  static async start(
    number: number,
    start: Pick<ThreadStart, 'trunks'>,
    listener: ThreadsListener,
  ): Promise<WorkerThread> {
    const thread = new WorkerThread(number, start, listener);
    try {
      await new Promise<void>((resolve, reject) => thread.#waiting.set(readyId, { resolve, reject }));
      return thread;
    } catch (error) {
      await thread.end();
      throw error;
    }
  }

  get awake(): number {
    return Number(this.#ask(undefined) ?? 0);
  }

  do(order: ThreadOrder): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#ending) return Promise.reject(workerError(this.#number, 'the switch ends'));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, order } satisfies NumberedOrder);
    });
  }

  see<K extends keyof PortSight>(port: number, what: K): PortSight[K] {
    return (this.#ask({ port, what }) ?? unseen[what]) as PortSight[K];
  }

  abandon(): void {
    this.#fail('it stands still');
    void this.#worker.terminate();
  }

  async end(): Promise<boolean> {
    this.#ending = true;
    const ended = await within(this.#worker.terminate(), shortTimeout);
    this.#refuse(workerError(this.#number, 'the switch ends'));
    if (!ended) this.#worker.unref();
    return ended;
  }

  #fail(why: string, cause?: unknown): void {
    if (this.#ending || this.#failure !== undefined) return;
    this.#failure = workerError(this.#number, why, cause);
    this.#refuse(this.#failure);
    this.#listener.failed(this.#failure);
  }

  /** Nothing that waits is done any more. */
  #refuse(reason: VioError): void {
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }

  #ask(question: Question): unknown {
    return this.#failure === undefined && !this.#ending ? this.#asking.ask(question) : undefined;
  }

  #hear(report: ThreadReport): void {
    switch (report.kind) {
      case 'changed':
        return this.#listener.changed(report.port, report.connected);
      case 'trouble':
        return this.#listener.trouble(report.port, report.what, report.reason);
      case 'ready':
        return this.#settle(readyId);
      case 'done':
        return this.#settle(report.id, report.error === undefined ? undefined : receivedError(report.error));
    }
  }

  #settle(id: number, error?: VioError): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve();
    else waiting?.reject(error);
  }
}

/** In the place of an order's number: what a thread says first. */
const readyId = -1;

/** `bin/thread.js` of this package: in a folder above this module, whose place in the build is the build's business. */
function threadProgram(): URL {
  for (let from = new URL('.', import.meta.url); ; from = new URL('..', from)) {
    const file = new URL('bin/thread.js', from);
    if (existsSync(file)) return file;
    if (from.pathname === '/') throw new Error('bin/thread.js of @vio/switch is missing');
  }
}

function workerError(number: number, why: string, cause?: unknown): VioError {
  return new VioError(`thread ${number} of the switch has failed: ${why}`, {
    code: 'VIO_SWITCH_THREAD',
    remedy: 'start the switch again, and report what happened',
    retryable: true,
    ...(cause === undefined ? {} : { cause }),
  });
}
