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
import { type Handler, type HandlerContext, handlers } from './handlers.ts';
import { vhostError } from './vhost-error.ts';

/**
 * The backend's end of one vhost-user connection: reads requests, has them handled, answers. The first thing that is
 * wrong ends it, with the reason; nothing a frontend sends throws out of here.
 */
export class BackendConnection {
  readonly #stream: UnixStream;
  readonly #context: HandlerContext;
  readonly #onEnd: (reason: VioError) => void;
  readonly #reader: MessageReader;
  #ended = false;

  constructor(stream: UnixStream, context: HandlerContext, onEnd: (reason: VioError) => void) {
    this.#stream = stream;
    this.#context = context;
    this.#onEnd = onEnd;
    this.#reader = new MessageReader(stream, (header) => {
      checkRequestHeader(knownRequest(header.request), header);
    });
    stream.onReadable(() => this.#receive());
  }

  /** Ends the connection. */
  end(reason: VioError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reader.dispose();
    this.#stream.close();
    this.#onEnd(reason);
  }

  #receive(): void {
    try {
      for (
        let message = this.#reader.read();
        message !== null && !this.#ended;
        message = this.#reader.read()
      ) {
        this.#handle(message);
        if (this.#ended) return;
      }
    } catch (error) {
      this.end(asVioError(error));
    }
  }

  #handle(message: Message): void {
    const request = knownRequest(message.request);
    const handler = handlers[request.name] as Handler<unknown>;
    let payload: unknown;
    try {
      payload = decodeRequest(request, message);
      this.#checkNegotiated(request);
    } catch (error) {
      closeAll(message.fds);
      throw error;
    }
    const ack =
      needsReply(message) && this.#negotiated(VHOST_USER_PROTOCOL_F_REPLY_ACK) && request.reply === null;
    try {
      const answer = handler(this.#context, payload, message.fds);
      this.#context.device.update();
      if (request.reply !== null) this.#send(encodeReply(request, answer));
      else if (ack) this.#send(encodeAck(request.id, 0));
    } catch (error) {
      if (ack) this.#send(encodeAck(request.id, 1));
      throw error;
    }
  }

  #checkNegotiated(request: Request<unknown, unknown>): void {
    if (request.feature === 0n || this.#negotiated(request.feature)) return;
    throw vhostError('NOT_NEGOTIATED', `${request.name} came without its protocol feature`);
  }

  #negotiated(feature: bigint): boolean {
    return (this.#context.device.protocolFeatures & feature) !== 0n;
  }

  #send(bytes: Uint8Array): void {
    this.#stream.send(bytes, [], { timeout: 5000 }).catch((error: unknown) => this.end(asVioError(error)));
  }
}

function knownRequest(id: number): Request<unknown, unknown> {
  const request = frontendRequest(id);
  if (request === undefined || !(request.name in handlers)) {
    throw vhostError('UNKNOWN_REQUEST', `request ${request?.name ?? id} is not known to this backend`);
  }
  return request;
}

function asVioError(error: unknown): VioError {
  if (VioError.is(error)) return error;
  return new VioError('handling a vhost-user message failed', {
    code: 'VIO_VHOST_INTERNAL',
    remedy: 'this is a defect of vio: report it with the cause',
    cause: error,
  });
}
