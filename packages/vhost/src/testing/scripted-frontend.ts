import { UnixStream, type WaitOptions } from '@vio/native';
import { defaultTimeout } from '@vio/native/internal';
import {
  type Message,
  MessageReader,
  type Request,
  closeAll,
  decodeReply,
  encodeRequest,
  expectedAck,
  expectedReply,
} from '../wire/index.ts';

/** How a request is sent. */
export interface RequestSendOptions {
  /** Stay the caller's. */
  readonly fds?: readonly number[];
  /** Ask for an acknowledgement. */
  readonly needReply?: boolean;
}

/** A frontend without manners: it sends any bytes in any order, and reads what comes back. */
export class ScriptedFrontend implements Disposable {
  /** The connection. */
  readonly stream: UnixStream;
  readonly #reader: MessageReader;

  constructor(stream: UnixStream) {
    this.stream = stream;
    this.#reader = new MessageReader(stream);
  }

  /** A frontend, and the end of the socket that a backend may have. */
  static pair(): { readonly frontend: ScriptedFrontend; readonly stream: UnixStream } {
    const [mine, theirs] = UnixStream.pair();
    return { frontend: new ScriptedFrontend(mine), stream: theirs };
  }

  /** Sends bytes as they are: a wrong header, a part of a message, several at once. */
  sendRaw(bytes: Uint8Array, fds: readonly number[] = []): Promise<void> {
    return this.stream.send(bytes, fds);
  }

  /** Sends a well-formed request. */
  send<P>(request: Request<P, unknown>, payload: P, options: RequestSendOptions = {}): Promise<void> {
    return this.sendRaw(encodeRequest(request, payload, options.needReply), options.fds);
  }

  /** Sends a request and reads its answer; descriptors that come with it are closed. */
  async ask<P, R>(
    request: Request<P, R>,
    payload: P,
    options: RequestSendOptions & WaitOptions = {},
  ): Promise<R | undefined> {
    await this.send(request, payload, options);
    const expected = expectedReply(request);
    if (expected === undefined) return undefined;
    const message = await this.next(options);
    closeAll(message.fds);
    return decodeReply(expected, message);
  }

  /** Sends a request with need_reply. @returns what was acknowledged: 0n is success */
  async acknowledged<P>(
    request: Request<P, undefined>,
    payload: P,
    options: RequestSendOptions & WaitOptions = {},
  ): Promise<bigint> {
    await this.send(request, payload, { ...options, needReply: true });
    const message = await this.next(options);
    closeAll(message.fds);
    return decodeReply(expectedAck(request), message);
  }

  /**
   * The next message from the backend, whatever it is; its descriptors are the caller's.
   * @throws VioError VIO_VHOST_DISCONNECTED when the backend has closed, VIO_TIMEOUT after `timeout` milliseconds (default 5000)
   */
  async next({ timeout = defaultTimeout, signal }: WaitOptions = {}): Promise<Message> {
    for (;;) {
      const message = this.#reader.read();
      if (message !== undefined) return message;
      await this.stream.readable({ timeout, signal });
    }
  }

  /** Ends the connection. */
  close(): void {
    this.#reader.dispose();
    this.stream.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
