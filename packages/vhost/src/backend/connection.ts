import { type UnixStream, VioError } from '@vio/native';
import {
  type Message,
  MessageReader,
  type Request,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  checkRequestHeader,
  closeAll,
  decodeRequest,
  encodeAck,
  encodeReply,
  frontendRequest,
  needsReply,
} from '../wire/index.ts';
import { AnswerWithFd } from './answer-with-fd.ts';
import { type Handler, type HandlerContext, handlers } from './handlers.ts';
import { vhostError } from './vhost-error.ts';

/** Who wants to know what becomes of a connection. */
export interface ConnectionListener {
  /** A request was not met, and its sender was told; the connection goes on. */
  refused(reason: VioError): void;
  /** The connection is over. */
  ended(reason: VioError): void;
}

/** Messages handled before other connections get their turn. */
const messagesPerTurn = 64;
/** Answers a frontend may leave unread, besides those its socket holds. */
const mostOwed = 4 * messagesPerTurn;
/** Milliseconds an answer may wait for room, and so the end of a connection for its last answer. */
const answerTimeout = 1000;

/**
 * The backend's end of one vhost-user connection: reads requests, has them handled, answers. As in DPDK's lib/vhost, a
 * request that cannot be met is refused if its sender asked for an acknowledgement (REPLY_ACK), and the connection
 * goes on; without, or if the message is no vhost-user message at all, the connection ends, with the reason. Answers
 * that are owed go out before. Nothing a frontend sends throws out of here.
 */
export class BackendConnection {
  readonly #stream: UnixStream;
  readonly #context: HandlerContext;
  readonly #listener: ConnectionListener;
  readonly #reader: MessageReader;
  /** Resolves when everything said so far has gone out, or never will. */
  #answered: Promise<void> = Promise.resolve();
  #owed = 0;
  #closing: Promise<void> | null = null;

  constructor(stream: UnixStream, context: HandlerContext, listener: ConnectionListener) {
    this.#stream = stream;
    this.#context = context;
    this.#listener = listener;
    this.#reader = new MessageReader(stream, (header) => {
      const request = frontendRequest(header.request);
      if (request !== undefined) checkRequestHeader(request, header);
    });
    stream.onReadable(() => this.#receive());
  }

  /** Ends the connection: nothing is read any more. Resolves when what was owed is sent and the socket closed. */
  end(reason: VioError): Promise<void> {
    if (this.#closing !== null) return this.#closing;
    this.#reader.dispose();
    this.#stream.onReadable(null);
    this.#closing = this.#answered.then(() => this.#stream.close());
    this.#listener.ended(reason);
    return this.#closing;
  }

  #receive(): void {
    try {
      for (let handled = 0; handled < messagesPerTurn && this.#closing === null; handled++) {
        const message = this.#reader.read();
        if (message === null) return;
        this.#handle(message);
      }
    } catch (error) {
      void this.end(asVioError(error));
    }
  }

  #handle(message: Message): void {
    const request = frontendRequest(message.request);
    const hasReply = request !== undefined && request.reply !== null;
    const acknowledged =
      !hasReply && needsReply(message) && this.#negotiated(VHOST_USER_PROTOCOL_F_REPLY_ACK);
    try {
      const answer = this.#perform(request, message);
      if (answer instanceof AnswerWithFd && hasReply) this.#send(encodeReply(request, answer.value), answer);
      else if (hasReply) this.#send(encodeReply(request, answer));
      else if (acknowledged) this.#send(encodeAck(message.request, 0));
    } catch (error) {
      if (!acknowledged) throw error;
      this.#send(encodeAck(message.request, 1));
      if (!VioError.is(error)) throw error;
      this.#listener.refused(error);
    }
  }

  #perform(request: Request<unknown, unknown> | undefined, message: Message): unknown {
    const { handler, payload } = this.#validate(request, message);
    const answer = handler(this.#context, payload, message.fds);
    try {
      this.#context.device.update();
      return answer;
    } catch (error) {
      if (answer instanceof AnswerWithFd) answer[Symbol.dispose]();
      throw error;
    }
  }

  /** The descriptors of a message that is found wrong are closed. */
  #validate(request: Request<unknown, unknown> | undefined, message: Message) {
    try {
      const handler = request && (handlers[request.name] as Handler<unknown> | undefined);
      if (request === undefined || handler === undefined) {
        throw vhostError(
          'UNKNOWN_REQUEST',
          `request ${request?.name ?? message.request} is not known to this backend`,
        );
      }
      const payload = decodeRequest(request, message);
      if (request.feature !== 0n && !this.#negotiated(request.feature)) {
        throw vhostError('NOT_NEGOTIATED', `${request.name} came without its protocol feature`);
      }
      return { handler, payload };
    } catch (error) {
      closeAll(message.fds);
      throw error;
    }
  }

  #negotiated(feature: bigint): boolean {
    return (this.#context.device.protocolFeatures & feature) !== 0n;
  }

  #send(bytes: Uint8Array, answer: AnswerWithFd<unknown> | null = null): void {
    if (this.#closing !== null) {
      answer?.[Symbol.dispose]();
      return;
    }
    if (++this.#owed > mostOwed) {
      answer?.[Symbol.dispose]();
      throw vhostError('UNREAD', `the frontend leaves more than ${mostOwed} answers unread`);
    }
    const fds = answer === null ? [] : [answer.fd];
    this.#answered = this.#stream
      .send(bytes, fds, { timeout: answerTimeout })
      .finally(() => answer?.[Symbol.dispose]())
      .then(
        () => void this.#owed--,
        (error: unknown) => void this.end(asVioError(error)),
      );
  }
}

/** What is no error of the frontend's: most likely a callback of the application threw. */
export function asVioError(error: unknown): VioError {
  if (VioError.is(error)) return error;
  return new VioError('handling a vhost-user message failed', {
    code: 'VIO_VHOST_INTERNAL',
    remedy:
      'see the cause: a callback of the application threw, or else this is a defect of vio to be reported',
    cause: error,
  });
}
