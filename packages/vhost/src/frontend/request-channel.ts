import { VioError, type WaitOptions } from '@vio/native';
import { DownEvent } from '@vio/net';
import {
  type ExpectedReply,
  type Header,
  type Message,
  MessageReader,
  type MessageStream,
  type PlainSource,
  checkReplyHeader,
  closeAll,
  decodeReply,
  isOutOfDescriptors,
  messageError,
  refuseFrontend,
  roomMilliseconds,
} from '../wire/index.ts';
import { type Outgoing, Turn } from './turn.ts';

/** An answer. Its descriptors are the caller's to close. */
export interface Reply<R> {
  readonly value: R;
  readonly fds: readonly number[];
}

/** What an answer must be, and what the request makes of its value. */
export interface Expected<R> extends ExpectedReply<R> {
  /** Throws a VioError if the value cannot be the answer to this request. */
  check?(value: R): void;
}

/** The descriptors of requests that the other side has not read count against a limit of the user's. */
const mostUnderWay = 32;

const atOnce = Promise.resolve();

/**
 * Requests and answers over one socket, in the order of the calls. What was called for while others are under way goes out behind
 * them once nothing but acknowledgements is outstanding; an answer of its own is waited for first. Anything that leaves the two sides out of step ends
 * the channel: an answer that is malformed, late, doubled or missing, a call given up while it is under way, a peer
 * that closes. Then the socket and all descriptors received are closed and every call rejects with the same reason.
 */
export class RequestChannel {
  readonly #stream: MessageStream;
  readonly #reader: MessageReader;
  /** Those that have begun come first. */
  readonly #turns: Turn[] = [];
  #ended: VioError | undefined;
  readonly #down = new DownEvent();

  constructor(stream: MessageStream) {
    this.#stream = stream;
    this.#reader = new MessageReader(
      stream,
      (header) => checkReplyHeader(this.#awaitedBy(header), header),
      isPlainSource(stream) ? stream : undefined,
    );
    stream.onReadable(() => this.#receive());
  }

  /** Why the channel ended by itself. */
  get down(): VioError | undefined {
    return this.#down.reason;
  }

  /** Calls the handler once when the channel ends by itself, or soon if it has. */
  onDown(handler: (reason: VioError) => void): () => void {
    return this.#down.subscribe(handler);
  }

  /** Sends a request and waits for its answer. */
  ask<R>(outgoing: Outgoing, awaited: Expected<R>, options: WaitOptions): Promise<Reply<R>> {
    return this.#take<Reply<R>>(outgoing, awaited, options, (answer, resolve) => {
      if (answer === undefined) throw new TypeError('an awaited answer is never missing');
      const value = decodeReply(awaited, answer);
      awaited.check?.(value);
      resolve({ value, fds: answer.fds });
    });
  }

  /** Sends a request that nobody answers. */
  post(outgoing: Outgoing, options: WaitOptions): Promise<void> {
    return this.#take<void>(outgoing, undefined, options, (_, resolve) => resolve());
  }

  /** Ends the channel without a word; calls reject with VIO_VHOST_CLOSED. */
  close(): void {
    this.#end(
      new VioError('the vhost-user connection was closed', {
        code: 'VIO_VHOST_CLOSED',
        remedy: 'nothing to mend: this side closed it; connect again to go on',
      }),
    );
  }

  /** Ends the channel for a reason of its owner's; calls reject with it, and `onDown` tells it. */
  fail(reason: VioError): void {
    this.#end(reason);
  }

  #take<T>(
    outgoing: Outgoing,
    awaited: ExpectedReply<unknown> | undefined,
    options: WaitOptions,
    deliver: (answer: Message | undefined, resolve: (value: T) => void) => void,
  ): Promise<T> {
    return new Promise<T>((resolve, fail) => {
      const outcome = { deliver: (answer: Message | undefined) => deliver(answer, resolve), fail };
      const turn = new Turn(outgoing, awaited, options, outcome, this.#gaveUp);
      if (this.#ended !== undefined) return turn.fail(this.#ended);
      this.#turns.push(turn);
      this.#next();
      this.#timeFirst();
    });
  }

  #send(turn: Turn): void {
    const taken = this.#sendNow(turn);
    if (taken === turn.outgoing.bytes.length) this.#wasSent(turn);
    else void this.#sendRest(turn, taken);
  }

  /** @returns bytes that went at once; what is wrong is told when the rest is sent */
  #sendNow({ outgoing: { bytes, fds } }: Turn): number {
    try {
      return this.#stream.sendNow?.(bytes, fds) ?? 0;
    } catch {
      return 0;
    }
  }

  async #sendRest(turn: Turn, taken: number): Promise<void> {
    try {
      const { bytes, fds } = turn.outgoing;
      await this.#stream.send(bytes.subarray(taken), taken === 0 ? fds : []);
    } catch (error) {
      this.#sendFailed(turn, error);
      return;
    }
    this.#wasSent(turn);
  }

  #wasSent(turn: Turn): void {
    turn.sent = true;
    if (turn.awaited !== undefined || this.#turns[0] !== turn) return;
    this.#finish(turn, undefined);
    this.#timeFirst();
  }

  #sendFailed(turn: Turn, error: unknown): void {
    const place = this.#turns.indexOf(turn);
    if (place === -1) return;
    if (VioError.is(error) && error.code === 'VIO_SYS_EBADF') {
      // A descriptor to be sent is not open. Descriptors go with the first byte, so nothing was sent at all.
      this.#turns.splice(place, 1);
      turn.fail(error);
      this.#next();
      this.#timeFirst();
      return;
    }
    this.#end(
      this.#frontendThere() ??
        new VioError(
          `the other side closed the vhost-user connection before ${turn.outgoing.name} could be sent`,
          {
            code: 'VIO_VHOST_DISCONNECTED',
            remedy: 'see why it ended (its log says so if it refused something), then connect again',
            retryable: true,
            cause: error,
          },
        ),
    );
  }

  /** Who closed may be a frontend itself: then it has asked something before. */
  #frontendThere(): VioError | undefined {
    try {
      this.#reader.read();
    } catch (error) {
      if (VioError.is(error) && error.code === 'VIO_VHOST_BOTH_FRONTENDS') return error;
    }
    return undefined;
  }

  /** A call that stopped waiting: harmless while it is queued, fatal once something of it may have been sent. */
  readonly #gaveUp = (turn: Turn, reason: unknown): void => {
    const place = this.#turns.indexOf(turn);
    if (place === -1) return;
    this.#turns.splice(place, 1);
    if (turn.begun) this.#end(asVioError(reason));
  };

  /** The time of the first in line begins; after everything is read that is there, for most of it has an answer among that. */
  #timeFirst(): void {
    this.#turns.at(0)?.first();
  }

  #finish(turn: Turn, answer: Message | undefined): void {
    turn.finish(answer);
    this.#turns.shift();
    this.#next();
  }

  #next(): void {
    for (let place = 0; place < this.#turns.length; place++) {
      const turn = this.#turns[place];
      // What nobody answers is over when it is sent, and has to be the first then.
      if (place === mostUnderWay || (place > 0 && turn.awaited === undefined)) return;
      if (!turn.begun) {
        turn.begun = true;
        // Once everything is read that is there: none of that can be the answer. queueMicrotask would make a resource of it.
        void atOnce.then(() => this.#send(turn));
      }
      if (turn.awaited?.acknowledges !== true) return;
    }
  }

  #receive(): void {
    try {
      for (;;) {
        const message = this.#reader.read();
        if (message === undefined) break;
        this.#accept(message);
      }
    } catch (error) {
      if (isOutOfDescriptors(error)) this.#stream.pauseReading(roomMilliseconds);
      else this.#end(asVioError(error));
    }
    this.#timeFirst();
  }

  #accept(message: Message): void {
    try {
      this.#finish(this.#turns[0], message);
    } catch (error) {
      closeAll(message.fds);
      throw error;
    }
  }

  /** What the message whose header has just arrived must be. */
  #awaitedBy(header: Header): ExpectedReply<unknown> {
    const turn = this.#turns.at(0);
    if (turn !== undefined && turn.sent && turn.awaited !== undefined) return turn.awaited;
    refuseFrontend(header);
    throw messageError(
      'UNEXPECTED',
      'a message nobody waits for',
      'the request number',
      header.request,
      'none',
    );
  }

  #end(reason: VioError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#reader.dispose();
    this.#stream.close();
    for (const turn of this.#turns.splice(0)) turn.fail(reason);
    if (reason.code === 'VIO_VHOST_CLOSED') this.#down.close();
    else this.#down.tell(reason);
  }
}

function isPlainSource(stream: Partial<PlainSource>): stream is PlainSource {
  return stream.receivePlain !== undefined;
}

function asVioError(error: unknown): VioError {
  if (VioError.is(error)) return error;
  return new VioError('the vhost-user connection failed', {
    code: 'VIO_VHOST_FAILED',
    remedy: 'connect again; the cause says what happened',
    retryable: true,
    cause: error,
  });
}
