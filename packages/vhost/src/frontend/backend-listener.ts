import { UnixStream, VioError, type WaitOptions } from '@vio/native';
import { shortTimeout } from '@vio/native/internal';
import {
  type Header,
  type Message,
  MessageReader,
  type MessageStream,
  type Request,
  backendRequest,
  backendRequests,
  checkRequestHeader,
  closeAll,
  decodeRequest,
  encodeAck,
  isOutOfDescriptors,
  messageError,
  messagesPerTurn,
  needsReply,
  roomMilliseconds,
} from '../wire/index.ts';

/** What a frontend makes of the requests of its backend. */
export interface BackendListenerOptions {
  /** True if acknowledgements were negotiated (REPLY_ACK). */
  readonly acknowledges: boolean;
  /** The configuration space has changed. */
  readonly configChanged: () => void;
  /** The backend breaks the protocol on this channel: it has ended. */
  readonly failed: (reason: VioError) => void;
}

/**
 * The frontend's end of the channel on which a backend may ask by itself (BACKEND_REQ). Only the change of the
 * configuration is met; other requests of the protocol are refused, their descriptors closed. What is none of them
 * ends the channel.
 */
export class BackendListener implements Disposable {
  readonly #stream: MessageStream;
  readonly #reader: MessageReader;
  readonly #options: BackendListenerOptions;
  #acknowledging: Promise<void> = Promise.resolve();
  #ended = false;

  /** @param stream this side's end of a channel that there is; `open` makes one */
  constructor(stream: MessageStream, options: BackendListenerOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#reader = new MessageReader(stream, (header) => checkRequestHeader(known(header), header));
    stream.onReadable(() => this.#receive());
  }

  /**
   * Makes the channel.
   * @param hand gives the backend its end, whose descriptor is closed afterwards
   */
  static async open(
    options: BackendListenerOptions,
    hand: (fd: number, wait: WaitOptions) => Promise<void>,
    wait: WaitOptions,
  ): Promise<BackendListener> {
    const [mine, theirs] = UnixStream.pair();
    const listener = new BackendListener(mine, options);
    try {
      await hand(theirs.fd, wait);
      return listener;
    } catch (error) {
      listener[Symbol.dispose]();
      throw error;
    } finally {
      theirs.close();
    }
  }

  [Symbol.dispose](): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reader.dispose();
    this.#stream.close();
  }

  #receive(): void {
    try {
      for (let handled = 0; handled < messagesPerTurn && !this.#ended; handled++) {
        const message = this.#reader.read();
        if (message === undefined) return;
        this.#handle(message);
      }
    } catch (error) {
      if (isOutOfDescriptors(error)) return this.#stream.pauseReading(roomMilliseconds);
      this[Symbol.dispose]();
      // A backend that closes its end has nothing more to say; that is no fault.
      if (VioError.is(error) && error.code !== 'VIO_VHOST_DISCONNECTED') this.#options.failed(error);
    }
  }

  #handle(message: Message): void {
    const request = known(message);
    try {
      decodeRequest(request, message);
    } finally {
      closeAll(message.fds);
    }
    const met = request.id === backendRequests.BACKEND_CONFIG_CHANGE_MSG.id;
    if (needsReply(message) && this.#options.acknowledges) this.#acknowledge(request.id, met ? 0 : 1);
    if (met) this.#options.configChanged();
  }

  /** One after the other; a backend that does not read them ends the channel. */
  #acknowledge(id: number, result: 0 | 1): void {
    this.#acknowledging = this.#acknowledging
      .then(() =>
        this.#ended ? undefined : this.#stream.send(encodeAck(id, result), [], { timeout: shortTimeout }),
      )
      .catch(() => this[Symbol.dispose]());
  }
}

function known({ request }: Header): Request<unknown, unknown> {
  const row = backendRequest(request);
  if (row !== undefined) return row;
  throw messageError('UNKNOWN', 'a request of the backend', 'its number', request, '1 to 10');
}
