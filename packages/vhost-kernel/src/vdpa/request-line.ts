import { VioError, type WaitOptions } from '@vio/native';
import { checkWait, settle, defaultTimeout } from '@vio/native/internal';

/**
 * Requests to a device, one at a time and in the order of the calls. The kernel cannot be told to give up a request:
 * one that is given up while it is under way ends the line, and those behind it get the same reason.
 */
export class RequestLine {
  readonly #onLost: (reason: unknown) => void;
  readonly #pending = new Set<(reason: unknown) => void>();
  #last: Promise<unknown> = Promise.resolve();
  #ended: { readonly reason: unknown } | undefined;
  #busy = false;

  /** @param onLost called when a request was given up while under way */
  constructor(onLost: (reason: unknown) => void) {
    this.#onLost = onLost;
  }

  /** False once no request goes out any more. */
  get open(): boolean {
    return this.#ended === undefined;
  }

  /** True while a request is under way, given up or not. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Resolves when no request is under way. */
  async whenIdle(): Promise<void> {
    await this.#last;
  }

  /** @param what as in "what took longer than 5000 ms" */
  async ask<T>(what: string, options: WaitOptions | undefined, request: () => Promise<T>): Promise<T> {
    checkWait(what, options);
    const { timeout = defaultTimeout, signal } = options ?? {};
    let state: 'waiting' | 'running' | 'over' = 'waiting';
    const turn = this.#last.then(async () => {
      if (state === 'over' || this.#ended !== undefined) return undefined;
      state = 'running';
      this.#busy = true;
      try {
        return { value: await request() };
      } finally {
        state = 'over';
        this.#busy = false;
      }
    });
    this.#last = turn.catch(() => {});
    try {
      return await settle<T>(what, { timeout, signal }, (resolve, reject) => {
        if (this.#ended !== undefined) throw this.#ended.reason;
        this.#pending.add(reject);
        turn.then((result) => (result === undefined ? undefined : resolve(result.value)), reject);
        return () => this.#pending.delete(reject);
      });
    } catch (reason) {
      const lost = isRunning(state);
      state = 'over';
      if (lost && this.#ended === undefined) this.#onLost(reason);
      throw reason;
    }
  }

  /** Ends the line: requests that wait, and all to come, reject with the reason. */
  end(reason: VioError): void {
    if (this.#ended !== undefined) return;
    this.#ended = { reason };
    for (const reject of this.#pending) reject(reason);
    this.#pending.clear();
  }
}

/** The state changes while the request is awaited, which the compiler does not see. */
function isRunning(state: string): boolean {
  return state === 'running';
}
