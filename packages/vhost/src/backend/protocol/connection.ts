import { VioError } from '@vio/native';
import { longestTimer, throwLater, timeoutError, shortTimeout } from '@vio/native/internal';
import {
  type Message,
  MessageReader,
  type MessageStream,
  type Request,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  checkRequestHeader,
  closeAll,
  decodeRequest,
  encodeAck,
  encodeRawReply,
  encodeReply,
  frontendRequest,
  isOutOfDescriptors,
  messagesPerTurn,
  needsReply,
  roomMilliseconds,
} from '../../wire/index.ts';
import { AnswerWithFd } from './answer-with-fd.ts';
import { type ExternAnswer, externMessage } from './extern-handlers.ts';
import type { HandlerContext } from './handler.ts';
import { handlers } from './handlers.ts';
import type { VdpaSession } from '../vdpa/vdpa-session.ts';
import { askedNothing } from './asked-nothing.ts';
import { vhostError } from '../errors/vhost-error.ts';

type AnyHandler = (context: HandlerContext, payload: unknown, fds: readonly number[]) => unknown;

/** Who wants to know what becomes of a connection. */
export interface ConnectionListener {
  /** A request was not met, and its sender was told; the connection goes on. */
  refused(reason: VioError): void;
  /** The connection is over. */
  ended(reason: VioError): void;
  /**
   * A request waits in the socket until this process has room for the descriptors it brings.
   * @param first it has not been told of this one before
   */
  exhausted(reason: VioError, first: boolean): void;
}

/** Answers a frontend may leave unread, besides those its socket holds. */
const mostOwed = 4 * messagesPerTurn;

/**
 * The backend's end of one vhost-user connection: reads requests, has them handled, answers. As in DPDK's lib/vhost, a
 * request that cannot be met is refused if its sender asked for an acknowledgement (REPLY_ACK), and the connection
 * goes on; without, or if the message is no vhost-user message at all, the connection ends, with the reason. Answers
 * that are owed go out before. Nothing a frontend sends throws out of here, nor does what the application throws.
 */
export class BackendConnection {
  readonly #stream: MessageStream;
  #stopReading: () => void;
  readonly #context: HandlerContext;
  readonly #listener: ConnectionListener;
  readonly #reader: MessageReader;
  /** Resolves when everything said so far has gone out, or never will. */
  #answered: Promise<void> = Promise.resolve();
  #owed = 0;
  #closing: Promise<void> | undefined;
  /** What the application threw, which ends the connection. */
  #failure: VioError | undefined;
  /** A first request was handled. */
  #begun = false;
  #starving = false;
  readonly #patience: number;
  #deadline: NodeJS.Timeout | undefined;

  /** @param patience milliseconds for the first request, and for the rest of one that has begun to arrive; Infinity: no limit */
  constructor(
    stream: MessageStream,
    context: HandlerContext,
    listener: ConnectionListener,
    patience = Number.POSITIVE_INFINITY,
  ) {
    this.#patience = patience;
    this.#stream = stream;
    this.#context = context;
    this.#listener = listener;
    this.#reader = new MessageReader(stream, (header) => {
      if (context.device.postcopy.isAgreement(header.request, header.size)) return;
      const request = frontendRequest(header.request);
      if (request !== undefined) checkRequestHeader(request, header);
    });
    this.#stopReading = stream.onReadable(() => this.#receive());
    this.#watchTime();
  }

  /** Ends the connection: nothing is read any more. Resolves when what was owed is sent and the socket closed. */
  end(reason: VioError): Promise<void> {
    if (this.#closing !== undefined) return this.#closing;
    if (this.#failure !== undefined && this.#failure !== reason) throwLater(this.#failure.cause);
    clearTimeout(this.#deadline);
    this.#reader.dispose();
    this.#stopReading();
    this.#closing = this.#answered.then(() => this.#stream.close());
    this.#listener.ended(reason);
    return this.#closing;
  }

  /**
   * A callback of the application threw. The connection ends, and its reason tells of it; of one that ends already, or ends for
   * another reason first, the error becomes an `uncaughtException` instead. It is told once in any case.
   */
  applicationFailed(error: unknown): void {
    if (this.#closing !== undefined || this.#failure !== undefined) return throwLater(error);
    const failure = internalError(error);
    this.#failure = failure;
    queueMicrotask(() => void this.end(failure));
  }

  #receive(): void {
    try {
      for (let handled = 0; handled < messagesPerTurn && this.#closing === undefined; handled++) {
        const message = this.#read();
        if (message === undefined) break;
        this.#begun = true;
        const handling = this.#handle(message);
        if (handling !== undefined) return this.#waitFor(handling);
      }
      this.#watchTime();
    } catch (error) {
      const reason = asVioError(error);
      const left = !this.#begun && reason.code === 'VIO_VHOST_DISCONNECTED';
      void this.end(left ? askedNothing(reason) : reason);
    }
  }

  /** The next message; undefined when there is none yet, or none that there is room for. */
  #read(): Message | undefined {
    try {
      const message = this.#reader.read();
      if (message !== undefined) this.#starving = false;
      return message;
    } catch (error) {
      if (!isOutOfDescriptors(error)) throw error;
      this.#stream.pauseReading(roomMilliseconds);
      const first = !this.#starving;
      this.#starving = true;
      this.#listener.exhausted(error, first);
      return undefined;
    }
  }

  /** A connection that says nothing, or never ends what it says, is not kept for ever. */
  #watchTime(): void {
    if (this.#begun && !this.#reader.partial) {
      clearTimeout(this.#deadline);
      this.#deadline = undefined;
    } else if (
      this.#deadline === undefined &&
      this.#closing === undefined &&
      this.#patience <= longestTimer
    ) {
      this.#deadline = setTimeout(() => void this.end(this.#tooLate()), this.#patience).unref();
    }
  }

  #tooLate(): VioError {
    const late = timeoutError('waiting for a request of the frontend', this.#patience);
    return this.#begun || this.#reader.partial ? late : askedNothing(late);
  }

  /** Nothing is read until then. */
  #waitFor(handling: Promise<void>): void {
    this.#stopReading();
    void handling.then(
      () => this.#readOn(),
      (error: unknown) => this.end(asVioError(error)),
    );
  }

  #readOn(): void {
    if (this.#closing !== undefined) return;
    this.#stopReading = this.#stream.onReadable(() => this.#receive());
    this.#receive();
  }

  /** @returns until it is handled, where a vDPA device has to do something before or after; undefined: it is */
  #handle(message: Message): Promise<void> | undefined {
    const { device } = this.#context;
    if (device.postcopy.isAgreement(message.request, message.payload.length)) {
      device.postcopy.agreed();
      closeAll(message.fds);
      return undefined;
    }
    const request = frontendRequest(message.request);
    const conclude = this.#conclusion(request, message);
    if (device.vdpa === undefined) {
      conclude(() => this.#perform(request, message));
      return undefined;
    }
    return this.#handleWith(device.vdpa, request, message, conclude);
  }

  #handleWith(
    vdpa: VdpaSession,
    request: Request<unknown, unknown> | undefined,
    message: Message,
    conclude: (perform: () => unknown) => void,
  ): Promise<void> | undefined {
    const performed = (): Promise<void> | undefined => {
      const outcome = outcomeOf(() => this.#perform(request, message));
      const after = vdpa.after();
      if (after === undefined) conclude(outcome);
      return after?.then(() => conclude(outcome));
    };
    const payload = request && payloadOf(request, message);
    const before = request && payload !== undefined ? vdpa.before(request.name, payload.value) : undefined;
    return before === undefined ? performed() : before.then(performed);
  }

  /** How a message is answered, as it says itself and what was negotiated before it says. */
  #conclusion(request: Request<unknown, unknown> | undefined, message: Message) {
    const hasReply = request !== undefined && request.reply !== undefined;
    const asked = !hasReply && needsReply(message);
    const before = asked && this.#negotiated(VHOST_USER_PROTOCOL_F_REPLY_ACK);
    return (perform: () => unknown): void => {
      try {
        const answer = perform();
        if (answer instanceof Uint8Array) this.#send(encodeRawReply(message.request, answer));
        else if (answer instanceof AnswerWithFd && hasReply)
          this.#send(encodeReply(request, answer.value), answer);
        else if (hasReply && answer !== 'handled') this.#send(encodeReply(request, answer));
        // The request that switches REPLY_ACK on may ask for an acknowledgement itself, as user-mode Linux's does.
        else if (before || (asked && this.#negotiated(VHOST_USER_PROTOCOL_F_REPLY_ACK)))
          this.#send(encodeAck(message.request, 0));
      } catch (error) {
        if (!before) throw error;
        this.#send(encodeAck(message.request, 1));
        if (!VioError.is(error) || error === this.#failure) throw error;
        this.#listener.refused(error);
      }
    };
  }

  #perform(request: Request<unknown, unknown> | undefined, message: Message): unknown {
    const { before, after } = this.#context.extern;
    const answer =
      before === undefined ? undefined : this.#askApplication(() => before(externMessage(message)), message);
    if (answer !== undefined) return this.#settled(answer);
    const handler = request && (handlerOf(request) ?? this.#attached(request, message));
    if (request === undefined || handler === undefined)
      return this.#settled(this.#performExtern(request, message));
    const ours = handler(this.#context, this.#validate(request, message), message.fds);
    if (after === undefined) return this.#settled(ours);
    try {
      const theirs = after(externMessage({ ...message, fds: [] }), true);
      if (!(theirs instanceof Uint8Array)) return this.#settled(ours);
      if (ours instanceof AnswerWithFd) ours[Symbol.dispose]();
      return this.#settled(theirs);
    } catch (error) {
      if (ours instanceof AnswerWithFd) ours[Symbol.dispose]();
      throw error;
    }
  }

  /** What was attached to this device. */
  #attached({ name }: Request<unknown, unknown>, message: Message): AnyHandler | undefined {
    const attachment = this.#context.device.attached.of(name);
    return attachment && (() => attachment.handle(message));
  }

  /** What only the application may know. */
  #performExtern(request: Request<unknown, unknown> | undefined, message: Message): ExternAnswer {
    const { after } = this.#context.extern;
    if (request !== undefined && after !== undefined) this.#validate(request, message);
    const answer =
      after === undefined
        ? undefined
        : this.#askApplication(() => after(externMessage(message), false), message);
    if (answer !== undefined) return answer;
    closeAll(message.fds);
    throw unknownRequest(request?.name ?? String(message.request));
  }

  /** The descriptors of a message at which a handler of the application fails are closed. */
  #askApplication(ask: () => ExternAnswer, message: Message): ExternAnswer {
    try {
      return ask();
    } catch (error) {
      closeAll(message.fds);
      throw error;
    }
  }

  #settled(answer: unknown): unknown {
    try {
      this.#context.device.update();
      if (this.#failure !== undefined) throw this.#failure;
      return answer;
    } catch (error) {
      if (answer instanceof AnswerWithFd) answer[Symbol.dispose]();
      throw error;
    }
  }

  /** @returns the payload. The descriptors of a message that is found wrong are closed. */
  #validate(request: Request<unknown, unknown>, message: Message): unknown {
    try {
      const payload = decodeRequest(request, message);
      if (request.feature !== 0n && !this.#negotiated(request.feature)) {
        throw vhostError('NOT_NEGOTIATED', `${request.name} came without its protocol feature`);
      }
      return payload;
    } catch (error) {
      closeAll(message.fds);
      throw error;
    }
  }

  #negotiated(feature: bigint): boolean {
    return (this.#context.device.protocolFeatures & feature) !== 0n;
  }

  #send(bytes: Uint8Array, answer?: AnswerWithFd<unknown>): void {
    if (this.#closing !== undefined) {
      answer?.[Symbol.dispose]();
      return;
    }
    if (++this.#owed > mostOwed) {
      answer?.[Symbol.dispose]();
      throw vhostError('UNREAD', `the frontend leaves more than ${mostOwed} answers unread`);
    }
    const fds = answer === undefined ? [] : [answer.fd];
    this.#answered = this.#stream
      .send(bytes, fds, { timeout: shortTimeout })
      .finally(() => answer?.[Symbol.dispose]())
      .then(
        () => void this.#owed--,
        (error: unknown) => void this.end(asVioError(error)),
      );
  }
}

function unknownRequest(name: string): VioError {
  return vhostError('UNKNOWN_REQUEST', `request ${name} is not known to this backend`);
}

/** The table ties each handler to the payload that its row decodes, which is no longer known of a row found by number. */
function handlerOf(request: Request<unknown, unknown>): AnyHandler | undefined {
  return (handlers as Readonly<Record<string, AnyHandler | undefined>>)[request.name];
}

/** What comes of something, to be had later. */
function outcomeOf(action: () => unknown): () => unknown {
  try {
    const value = action();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

/** Undefined where it is found wrong, which its handling says by name. */
function payloadOf(request: Request<unknown, unknown>, message: Message): { value: unknown } | undefined {
  try {
    return { value: decodeRequest(request, message) };
  } catch {
    return undefined;
  }
}

/** What is no error of the frontend's is one of ours. */
function asVioError(error: unknown): VioError {
  return VioError.is(error) ? error : internalError(error);
}

/** Most likely a callback of the application threw. */
function internalError(error: unknown): VioError {
  return new VioError('handling a vhost-user message failed', {
    code: 'VIO_VHOST_INTERNAL',
    remedy:
      'see the cause: a callback of the application threw, or else this is a defect of vio to be reported',
    cause: error,
  });
}
