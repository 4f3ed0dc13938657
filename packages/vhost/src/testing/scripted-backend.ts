import { SharedMemory, UnixStream } from '@vio/native';
import {
  type Message,
  MessageReader,
  type Request,
  VHOST_USER_F_PROTOCOL_FEATURES,
  closeAll,
  decodeRequest,
  encodeAck,
  encodeReply,
  frontendRequest,
  frontendRequests as requests,
  headerBytes,
  needsReply,
} from '../wire/index.ts';
import { patched } from './patched.ts';

/** How a scripted backend breaks the protocol. */
export type Misbehaviour =
  /** No answer to this request or any that follows; the connection stays. */
  | 'silent'
  /** Closes instead of answering. */
  | 'close'
  /** Answers need_reply with a failure, otherwise as usual. */
  | 'refuse'
  /** Half of the payload of the answer is missing, and its header says so. */
  | 'size'
  /** The header of the answer announces more than any message has. */
  | 'oversize'
  /** The answer lacks the reply bit. */
  | 'flags'
  | 'version'
  /** The answer comes with one file descriptor too many. */
  | 'fds'
  /** The answer comes with nine file descriptors. */
  | 'too-many-fds'
  /** The answer is to a request that does not exist. */
  | 'id'
  /** The answer comes twice. */
  | 'duplicate'
  /** Closes after the first `bytes` bytes of the answer. */
  | 'truncated';

/** What a frontend has to say of each of them, where the answer is waited for: the code of its error, of any request. */
export const misbehaviourCodes = [
  ['silent', 'VIO_TIMEOUT'],
  ['close', 'VIO_VHOST_DISCONNECTED'],
  ['size', 'VIO_VHOST_MESSAGE_SIZE'],
  ['oversize', 'VIO_VHOST_MESSAGE_SIZE'],
  ['flags', 'VIO_VHOST_MESSAGE_FLAGS'],
  ['version', 'VIO_VHOST_MESSAGE_VERSION'],
  ['fds', 'VIO_VHOST_MESSAGE_FDS'],
  ['too-many-fds', 'VIO_VHOST_MESSAGE_FDS'],
  ['id', 'VIO_VHOST_MESSAGE_UNEXPECTED'],
] as const satisfies readonly (readonly [Misbehaviour, string])[];

/** What a scripted backend offers and where it goes wrong. */
export interface BackendScript {
  /** Device features; bit 30 is added when there are protocol features. Default 0. */
  readonly features?: bigint;
  /** Default 0: no protocol features, nor their negotiation. */
  readonly protocolFeatures?: bigint;
  /** Default 1. */
  readonly queuePairs?: number;
  /** Device configuration space. Default: 12 bytes of zeroes. */
  readonly config?: Uint8Array;
  /** Where it goes wrong, and how. Default: nowhere. */
  readonly misbehave?: {
    /** Number of the request, from 0, in the order of arrival. */
    readonly at: number;
    readonly how: Misbehaviour;
    /** For `truncated`. */
    readonly bytes?: number;
  };
}

/** A request as the scripted backend saw it. Its descriptors are closed at once, but for `channel`. */
export interface SeenRequest {
  /** As the specification calls it. */
  readonly name: string;
  /** What it held, decoded. */
  readonly payload: unknown;
  /** Descriptors that came with it. */
  readonly fds: number;
  /** It asked for an acknowledgement. */
  readonly needsReply: boolean;
}

interface Answer {
  readonly bytes: Uint8Array;
  /** Descriptors that belong to it. */
  readonly fds: number;
  /** It is an acknowledgement that was asked for. */
  readonly acknowledges: boolean;
}

/**
 * A vhost-user backend without a data path: it answers the handshake of a frontend as a correct backend does, and
 * misbehaves at one request if its script says so. It records what it was asked.
 */
export class ScriptedBackend implements Disposable {
  /** The requests so far. */
  readonly seen: SeenRequest[] = [];
  readonly #stream: UnixStream;
  readonly #reader: MessageReader;
  readonly #script: BackendScript;
  readonly #handlers = new Map<number, (message: Message) => Uint8Array | undefined>();
  readonly #bases = new Map<number, number>();
  readonly #stopReading: () => void;
  #channel: UnixStream | undefined;
  #status = 0;
  #over = false;

  constructor(stream: UnixStream, script: BackendScript = {}) {
    this.#stream = stream;
    this.#script = script;
    this.#reader = new MessageReader(stream);
    this.#teach();
    this.#stopReading = stream.onReadable(() => this.#receive());
  }

  /** A backend, and the end of the socket that a frontend may have. */
  static pair(script: BackendScript = {}): {
    readonly backend: ScriptedBackend;
    readonly stream: UnixStream;
  } {
    const [mine, theirs] = UnixStream.pair();
    return { backend: new ScriptedBackend(mine, script), stream: theirs };
  }

  /** Teaches another answer to a request; one without an answer of its own returns undefined. */
  answer<P, R>(request: Request<P, R>, answer: (payload: P) => R): void {
    this.#handlers.set(request.id, (message) => {
      const value = answer(decodeRequest(request, message));
      return request.reply === undefined ? undefined : encodeReply(request, value);
    });
  }

  /** The way back that the frontend gave it with SET_BACKEND_REQ_FD. @throws Error before that */
  get channel(): UnixStream {
    if (this.#channel === undefined) throw new Error('SET_BACKEND_REQ_FD has not come');
    return this.#channel;
  }

  /** Ends the connection. */
  close(): void {
    this.#channel?.close();
    this.#reader.dispose();
    this.#stream.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Every request with an answer of its own, or with an effect on a later answer. */
  #teach(): void {
    const {
      features = 0n,
      protocolFeatures = 0n,
      queuePairs = 1,
      config = new Uint8Array(12),
    } = this.#script;
    const bit30 = protocolFeatures === 0n ? 0n : VHOST_USER_F_PROTOCOL_FEATURES;
    this.answer(requests.GET_FEATURES, () => features | bit30);
    this.answer(requests.GET_PROTOCOL_FEATURES, () => protocolFeatures);
    this.answer(requests.GET_QUEUE_NUM, () => queuePairs);
    this.answer(requests.GET_MAX_MEM_SLOTS, () => 8);
    this.answer(requests.SET_STATUS, (status) => {
      this.#status = status;
      return undefined;
    });
    this.answer(requests.GET_STATUS, () => this.#status);
    this.answer(requests.SET_VRING_BASE, ({ index, value }) => {
      this.#bases.set(index, value);
      return undefined;
    });
    this.answer(requests.GET_VRING_BASE, ({ index }) => ({ index, value: this.#bases.get(index) ?? 0 }));
    this.answer(requests.GET_CONFIG, ({ offset, data }) => {
      const end = offset + data.length;
      return end > config.length ? undefined : { offset, flags: 0, data: config.subarray(offset, end) };
    });
    this.answer(requests.SET_LOG_BASE, () => new Uint8Array(0));
    this.answer(requests.GET_INFLIGHT_FD, (area) => ({ ...area, mmapSize: 4096 }));
  }

  #receive(): void {
    try {
      while (!this.#over) {
        const message = this.#reader.read();
        if (message === undefined) return;
        this.#serve(message);
      }
    } catch {
      // The frontend left or broke the protocol: this side ends as well, like a real backend.
      this.close();
    }
  }

  #serve(message: Message): void {
    const request = frontendRequest(message.request);
    if (request?.id === requests.SET_BACKEND_REQ_FD.id) this.#channel = UnixStream.adopt(message.fds[0]);
    else closeAll(message.fds);
    if (request === undefined) return this.close();
    const at = this.seen.length;
    this.seen.push({
      name: request.name,
      payload: decodeRequest(request, message),
      fds: message.fds.length,
      needsReply: needsReply(message),
    });
    const bytes = this.#handlers.get(request.id)?.(message);
    const acknowledges = bytes === undefined && needsReply(message);
    const answer = { bytes: bytes ?? encodeAck(request.id, 0), fds: request.replyFds[0], acknowledges };
    const { misbehave } = this.#script;
    if (misbehave?.at === at) void this.#misbehave(misbehave.how, answer, misbehave.bytes);
    else if (bytes !== undefined || acknowledges) void this.#send(answer.bytes, answer.fds);
  }

  async #misbehave(how: Misbehaviour, { bytes, fds, acknowledges }: Answer, cut = 0): Promise<void> {
    const half = headerBytes + ((bytes.length - headerBytes) >> 1);
    switch (how) {
      case 'silent':
        return this.#ignoreTheRest();
      case 'close':
        return this.close();
      case 'refuse':
        return this.#send(acknowledges ? encodeAck(bytes[0], 1) : bytes, fds);
      case 'size':
        return this.#send(patched(bytes.subarray(0, half), 8, half - headerBytes), fds);
      case 'oversize':
        return this.#send(patched(bytes, 8, 0xffff_ffff), fds);
      case 'flags':
        return this.#send(patched(bytes, 4, 0x1), fds);
      case 'version':
        return this.#send(patched(bytes, 4, 0x6), fds);
      case 'fds':
        return this.#send(bytes, fds + 1);
      case 'too-many-fds':
        return this.#send(bytes, 9);
      case 'id':
        return this.#send(patched(bytes, 0, 0x1000 + bytes[0]), fds);
      case 'duplicate':
        await this.#send(bytes, fds);
        return this.#send(bytes, fds);
      case 'truncated':
        this.#ignoreTheRest();
        await this.#send(bytes.subarray(0, cut), fds);
        return this.close();
    }
  }

  /** Requests may be here already that were sent behind this one. */
  #ignoreTheRest(): void {
    this.#over = true;
    this.#stopReading();
  }

  async #send(bytes: Uint8Array, fds = 0): Promise<void> {
    const memories = Array.from({ length: fds }, () => SharedMemory.create({ size: 4096 }));
    try {
      await this.#stream.send(
        bytes,
        memories.map(({ fd }) => fd),
      );
    } catch {
      // The frontend has gone: nobody is left to read this.
    } finally {
      for (const memory of memories) memory.close();
    }
  }
}
