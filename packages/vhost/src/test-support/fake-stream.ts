import { VioError } from '@vio/native';
import type { MessageStream } from '../wire/message-stream.ts';

interface Chunk {
  readonly bytes: Uint8Array;
  fds: readonly number[];
  at: number;
}

const gone = (): VioError =>
  new VioError('the test has closed its end', { code: 'VIO_SOCKET_CLOSED', remedy: 'none' });

/** A socket whose other end is the test: what it feeds is there at once, and no system call is made. */
export class FakeStream implements MessageStream {
  /** Calls of `send`. */
  sent = 0;
  closed = false;
  #chunks: Chunk[] = [];
  #ended = false;
  #handler: (() => void) | undefined;
  readonly #room: number;
  /** Ends the waits of what found no room. */
  #full: (() => void)[] = [];

  /** @param room how often `send` finds room; nothing is ever read. Default: always */
  constructor(room = Number.POSITIVE_INFINITY) {
    this.#room = room;
  }

  /** Sends bytes, with descriptors that the receiver closes. Nobody is told. */
  put(bytes: Uint8Array, fds: readonly number[] = []): void {
    this.#chunks.push({ bytes, fds, at: 0 });
  }

  /** Sends bytes, and has them received as far as the receiver likes. */
  feed(bytes: Uint8Array, fds: readonly number[] = []): void {
    this.put(bytes, fds);
    this.flush();
  }

  /** Has what was sent received. */
  flush(): void {
    for (
      let left = -1;
      this.#chunks.length > 0 && this.#chunks.length !== left && this.#handler !== undefined;
    ) {
      left = this.#chunks.length;
      this.#handler();
    }
  }

  /** Closes the other end. @returns descriptors that nobody has received, which are the caller's again */
  end(): number[] {
    const left = this.#chunks.flatMap(({ fds }) => fds);
    this.#chunks = [];
    this.#ended = true;
    for (const stop of this.#full) stop();
    this.#handler?.();
    return left;
  }

  receive(target: Uint8Array): { bytes: number; fds: number[]; truncatedFds: boolean } | undefined {
    const [first] = this.#chunks;
    if (first === undefined) return this.#ended ? { bytes: 0, fds: [], truncatedFds: false } : undefined;
    const bytes = Math.min(target.length, first.bytes.length - first.at);
    target.set(first.bytes.subarray(first.at, first.at + bytes));
    const fds = first.fds.slice();
    first.at += bytes;
    first.fds = [];
    if (first.at === first.bytes.length) this.#chunks.shift();
    return { bytes, fds, truncatedFds: false };
  }

  send(_bytes: Uint8Array): Promise<void> {
    this.sent++;
    if (this.sent <= this.#room) return Promise.resolve();
    return new Promise((_, reject) => this.#full.push(() => reject(gone())));
  }

  onReadable(handler: () => void): () => void {
    this.#handler = handler;
    return () => (this.#handler = undefined);
  }

  pauseReading(): void {}

  close(): void {
    this.closed = true;
    this.#handler = undefined;
  }
}
