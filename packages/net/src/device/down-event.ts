import type { VioError } from '@vio/native';

/**
 * That a device, or the way to it, has ended by itself, as `NetDevice.onDown` promises it: told once, to each handler on a tick
 * of its own; a handler that comes late is told soon.
 */
export class DownEvent {
  readonly #handlers = new Set<(reason: VioError) => void>();
  #reason: VioError | undefined;

  /** Why it ended; undefined while it has not. */
  get reason(): VioError | undefined {
    return this.#reason;
  }

  /** Calls the handler once when it ends, or soon if it has. @returns takes the handler back */
  subscribe(handler: (reason: VioError) => void): () => void {
    this.#handlers.add(handler);
    if (this.#reason !== undefined) this.#soon(handler, this.#reason);
    return () => this.#handlers.delete(handler);
  }

  /** It ended by itself. Only the first reason counts. */
  tell(reason: VioError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    for (const handler of this.#handlers) this.#soon(handler, reason);
  }

  /** It was closed: who waits for an end is not told of one. Who is being told still is. */
  close(): void {
    if (this.#reason === undefined) this.#handlers.clear();
  }

  #soon(handler: (reason: VioError) => void, reason: VioError): void {
    queueMicrotask(() => {
      if (this.#handlers.delete(handler)) handler(reason);
    });
  }
}
