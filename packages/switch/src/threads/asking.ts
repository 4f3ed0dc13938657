import { shortTimeout } from '@vio/native/internal';
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';

interface Asked {
  readonly serial: number;
  readonly question: unknown;
}

interface Answered {
  readonly serial: number;
  readonly answer: unknown;
}

/** The way to ask another thread something, and to wait for the answer on the spot. */
export interface AskingHandle {
  readonly port: MessagePort;
  /** The serial of the last answer. */
  readonly answered: SharedArrayBuffer;
}

/**
 * Asks another thread, and waits for it: a turn of its event loop. For those who look, whose answers are not promises: they cost a
 * thread a small part of its time anyway.
 */
export class Asking {
  readonly #port: MessagePort;
  readonly #answered: Int32Array;
  #serial = 0;

  constructor({ port, answered }: AskingHandle) {
    this.#port = port;
    this.#answered = new Int32Array(answered);
  }

  /** @returns undefined when nobody answers in time, or the last question is not answered yet */
  ask(question: unknown): unknown {
    // Who stands still is waited for once, not by everybody who looks.
    if (Atomics.load(this.#answered, 0) !== this.#serial) return undefined;
    const serial = (this.#serial = (this.#serial + 1) | 0);
    this.#port.postMessage({ serial, question } satisfies Asked);
    const end = performance.now() + shortTimeout;
    for (
      let last = Atomics.load(this.#answered, 0);
      last !== serial;
      last = Atomics.load(this.#answered, 0)
    ) {
      const left = end - performance.now();
      if (left <= 0) return undefined;
      Atomics.wait(this.#answered, 0, last, left);
    }
    // Answers that came too late are before this one.
    for (
      let got = receiveMessageOnPort(this.#port);
      got !== undefined;
      got = receiveMessageOnPort(this.#port)
    ) {
      const { serial: of, answer } = got.message as Answered;
      if (of === serial) return answer;
    }
    return undefined;
  }
}

/** Answers what is asked, in the thread that is asked. */
export function answerAsking({ port, answered }: AskingHandle, answer: (question: unknown) => unknown): void {
  const last = new Int32Array(answered);
  port.on('message', ({ serial, question }: Asked) => {
    port.postMessage({ serial, answer: answer(question) } satisfies Answered);
    Atomics.store(last, 0, serial);
    Atomics.notify(last, 0);
  });
}
