/** What would have ended the process, from now until it is disposed of. `using` it. */
export class UncaughtErrors implements Disposable {
  /** What was caught so far. */
  readonly seen: unknown[] = [];
  readonly #others = process.listeners('uncaughtException');
  readonly #note = (error: unknown): void => {
    this.seen.push(error);
  };

  constructor() {
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', this.#note);
  }

  /** Those of a tick that has not come yet, too. */
  async all(): Promise<unknown[]> {
    await new Promise((resolve) => setImmediate(resolve));
    return this.seen;
  }

  [Symbol.dispose](): void {
    process.off('uncaughtException', this.#note);
    for (const other of this.#others) process.on('uncaughtException', other);
  }
}
