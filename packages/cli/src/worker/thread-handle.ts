import { Worker } from 'node:worker_threads';
import { VioError } from '@vio/native';
import { distFile } from '../dist-file.ts';
import type { ThreadPlace, WorkerOrder, WorkerReport } from './messages.ts';

/** A thread that forwards, seen from the one that started it. */
export class ThreadHandle {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve: () => void; reject: (reason: VioError) => void }>();
  #next = 0;

  /** @param onReport is told what it counted, and of broken queues @param cpu that it runs on; undefined: any of this process's */
  constructor(onReport: (report: WorkerReport) => void, cpu: number | undefined) {
    this.#worker = new Worker(distFile('worker.js'), { workerData: { cpu } satisfies ThreadPlace });
    this.#worker.on('message', (report: WorkerReport) => {
      if (report.kind !== 'done') return onReport(report);
      const waiting = this.#waiting.get(report.id);
      this.#waiting.delete(report.id);
      if (report.failure === undefined) waiting?.resolve();
      else waiting?.reject(threadError(report.failure));
    });
    const end = (reason: string): void => {
      for (const { reject } of this.#waiting.values()) reject(threadError(reason));
      this.#waiting.clear();
    };
    this.#worker.on('error', (error) => end(error instanceof Error ? error.message : String(error)));
    this.#worker.on('exit', () => end('it ended'));
  }

  /** Resolves when it has done that. @throws VioError VIO_CLI_THREAD when it cannot */
  ask(order: WorkerOrder): Promise<void> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ ...order, id });
    });
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

function threadError(reason: string): VioError {
  return new VioError(`a thread that forwards failed: ${reason}`, {
    code: 'VIO_CLI_THREAD',
    remedy: 'start again with --nb-cores 1, and report what happened',
  });
}
