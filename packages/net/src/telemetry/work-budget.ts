import { setImmediate, setTimeout } from 'node:timers/promises';

/** Of this thread's time, what questions may cost. */
const share = 0.1;
/** Milliseconds of work that may be saved up, so that somebody who asks now and then does not wait. */
const most = 10;
/** Milliseconds of work in a row. */
const slice = 0.2;

/**
 * Keeps those who ask from taking the thread away from those who move packets: whoever has worked for a while lets the event
 * loop go on, and all of them together have a share of the time.
 */
export class WorkBudget {
  #saved = most;
  #at = performance.now();
  #inRow = 0;

  /** Does a piece of work, when it is its turn. @returns what it gives */
  async spend<T>(work: () => T | Promise<T>): Promise<T> {
    await this.#turn();
    const begin = performance.now();
    // What is waited for costs nothing.
    const result = work();
    const took = performance.now() - begin;
    this.#saved -= took;
    this.#inRow += took;
    return result;
  }

  async #turn(): Promise<void> {
    while (this.#inRow >= slice || this.#refill() <= 0) {
      this.#inRow = 0;
      if (this.#saved > 0) await setImmediate();
      else await setTimeout(Math.ceil(-this.#saved / share) + 1, undefined, { ref: false });
    }
  }

  #refill(): number {
    const now = performance.now();
    this.#saved = Math.min(most, this.#saved + share * (now - this.#at));
    this.#at = now;
    return this.#saved;
  }
}
