/** What has the descriptor. */
export interface Lent {
  readonly fd: number;
  close(): void;
}

/**
 * An answer that the descriptor of some memory goes with. It is this side's until the answer is sent. It is known by its class: other
 * answers are payloads of any form.
 */
export class AnswerWithFd<T> implements Disposable {
  readonly value: T;
  readonly #memory: Lent;

  constructor(value: T, memory: Lent) {
    this.value = value;
    this.#memory = memory;
  }

  get fd(): number {
    return this.#memory.fd;
  }

  [Symbol.dispose](): void {
    this.#memory.close();
  }
}
