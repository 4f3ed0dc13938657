import { Worker } from 'node:worker_threads';

/**
 * Whoever sends the pages of a guest that is here already: reads which are asked for, writes them to the file of the guest's memory,
 * and wakes who waits. In a thread of its own, because this one waits.
 */
const program = `
const { readSync, writeSync } = require('node:fs');
const { parentPort, workerData: { faults, file, places, native } } = require('node:worker_threads');
const pause = new Int32Array(new SharedArrayBuffer(4));
const message = Buffer.alloc(32);
const zeroes = Buffer.alloc(4096);
let sent = 0;
let over = false;
parentPort.on('message', () => parentPort.postMessage(sent));
import(native).then(({ ioctl }) => {
  parentPort.postMessage('ready');
  const look = () => {
    try {
      while (readSync(faults, message) === 32) {
        const page = message.readBigUInt64LE(16) & ~4095n;
        const at = places.find(({ from, size }) => page >= BigInt(from) && page < BigInt(from + size));
        writeSync(file, zeroes, 0, 4096, at.offset + Number(page - BigInt(at.from)));
        const range = new Uint8Array(16);
        new DataView(range.buffer).setBigUint64(0, page, true);
        new DataView(range.buffer).setBigUint64(8, 4096n, true);
        ioctl(faults, 0x8010aa02, range);
        sent++;
      }
    } catch {}
    setTimeout(look, 1);
  };
  look();
});
`;

/** A piece of the memory's file, in the backend. */
export interface Place {
  readonly from: number;
  readonly size: number;
  readonly offset: number;
}

export class PageSender implements Disposable {
  readonly #worker: Worker;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  /**
   * @param faults the backend's userfaultfd
   * @param file that of the memory
   * @param places what of it lies where in the backend
   */
  static async start(faults: number, file: number, places: readonly Place[]): Promise<PageSender> {
    const native = new URL('../../../native/dist/index.js', import.meta.url).href;
    const worker = new Worker(program, { eval: true, workerData: { faults, file, places, native } });
    await new Promise((resolve) => worker.once('message', resolve));
    return new PageSender(worker);
  }

  /** @returns how many pages it has sent */
  sent(): Promise<number> {
    return new Promise((resolve) => {
      this.#worker.once('message', resolve);
      this.#worker.postMessage('sent');
    });
  }

  [Symbol.dispose](): void {
    void this.#worker.terminate();
  }
}
