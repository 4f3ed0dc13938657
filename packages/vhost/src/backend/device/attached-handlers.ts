import type { Message } from '../../wire/index.ts';

/** What was attached to a device, and serves requests that this library itself has no handlers for. */
export interface AttachedHandler {
  /**
   * Handles a request whose header, size and protocol feature are right.
   * @returns the payload of the answer; undefined: it is handled, and has none
   */
  handle(message: Message): Uint8Array | undefined;
  /** The device begins anew. */
  reset(): void;
  /** The connection is over. */
  end(): void;
}

/** Who serves which request of one device besides the tables of this library, by the request's name. */
export class AttachedHandlers {
  readonly #byRequest = new Map<string, AttachedHandler>();

  /** Who serves a request; undefined: nobody. */
  of(request: string): AttachedHandler | undefined {
    return this.#byRequest.get(request);
  }

  attach(attachment: AttachedHandler, requests: readonly string[]): void {
    for (const request of requests) this.#byRequest.set(request, attachment);
  }

  detach(attachment: AttachedHandler): void {
    for (const [request, by] of this.#byRequest) if (by === attachment) this.#byRequest.delete(request);
  }

  reset(): void {
    for (const attachment of this.#all()) attachment.reset();
  }

  end(): void {
    for (const attachment of this.#all()) attachment.end();
    this.#byRequest.clear();
  }

  #all(): Set<AttachedHandler> {
    return new Set(this.#byRequest.values());
  }
}
