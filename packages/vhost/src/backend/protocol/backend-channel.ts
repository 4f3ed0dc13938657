import { UnixStream, VioError, closeFd } from '@vio/native';
import { fileKind, shortTimeout } from '@vio/native/internal';
import {
  MessageReader,
  closeAll,
  backendRequests,
  type ExpectedReply,
  type IotlbMessage,
  type Request,
  type VringArea,
  decodeReply,
  encodeRequest,
  expectedAck,
} from '../../wire/index.ts';
import type { NotifierChannel } from '../vdpa/vdpa-host.ts';
import type { ConfigChannel } from '../type/device-config.ts';
import type { IotlbChannel } from '../iommu/device-iommu.ts';

const { BACKEND_CONFIG_CHANGE_MSG, BACKEND_IOTLB_MSG, BACKEND_VRING_HOST_NOTIFIER_MSG } = backendRequests;
/** Messages about translations that wait for a frontend that does not read, at most: what is lost is told again when it is not answered. */
const mostTranslations = 4096;

/**
 * The way back: what this backend may say to its frontend unasked (BACKEND_REQ). Nothing it says is waited for, unless an answer
 * is asked for. A frontend that does not read or answer, or has closed its end, is not told any more.
 */
export class BackendChannel implements ConfigChannel, IotlbChannel, NotifierChannel {
  readonly #stream: UnixStream;
  #sending = false;
  #again = false;
  #closed = false;
  /** Messages about translations that are to be sent, and whether some are on their way. */
  readonly #translations: Uint8Array[] = [];
  #translating = false;
  /** The last question that was asked. */
  #asked: Promise<boolean> = Promise.resolve(true);

  private constructor(stream: UnixStream) {
    this.#stream = stream;
  }

  /** Takes the descriptor of SET_BACKEND_REQ_FD. @throws VioError VIO_VHOST_FD unless it is a socket */
  static adopt(fd: number): BackendChannel {
    const kind = fileKind(fd);
    if (kind === 'socket') return new BackendChannel(UnixStream.adopt(fd));
    closeFd(fd);
    throw new VioError(`SET_BACKEND_REQ_FD came with a ${kind}`, {
      code: 'VIO_VHOST_FD',
      remedy: 'the frontend must send a socket with SET_BACKEND_REQ_FD',
    });
  }

  /**
   * The configuration space has changed. While one such message is on its way, one more at most follows; those that are to be
   * answered go one by one.
   */
  async configChanged(needReply: boolean): Promise<boolean> {
    if (needReply) return this.#inTurn(() => this.#ask(BACKEND_CONFIG_CHANGE_MSG, undefined, []));
    if (this.#sending) this.#again = true;
    else void this.#send();
    return !this.#closed;
  }

  /** Where drivers kick a queue by themselves. @returns whether the frontend says that it has mapped it, or let go of it */
  hostNotifier(area: Omit<VringArea, 'hasFd'>, fd: number | undefined): Promise<boolean> {
    const message = { ...area, hasFd: fd !== undefined };
    const fds = fd === undefined ? [] : [fd];
    return this.#inTurn(() => this.#ask(BACKEND_VRING_HOST_NOTIFIER_MSG, message, fds));
  }

  /** A translation is missing, or does not do. Those of one burst go out together. */
  iotlb(message: IotlbMessage): void {
    if (this.#closed || this.#translations.length >= mostTranslations) return;
    this.#translations.push(encodeRequest(BACKEND_IOTLB_MSG, message));
    if (!this.#translating) void this.#translate();
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stream.close();
  }

  /** What is to be answered goes one by one. */
  #inTurn(ask: () => Promise<boolean>): Promise<boolean> {
    const asked = this.#asked.then(ask);
    this.#asked = asked;
    return asked;
  }

  /** @returns whether the frontend says that it has done it */
  async #ask<P>(request: Request<P, undefined>, payload: P, fds: readonly number[]): Promise<boolean> {
    if (this.#closed) return false;
    try {
      const answered = this.#answer(expectedAck(request));
      const bytes = encodeRequest(request, payload, true);
      await Promise.all([this.#stream.send(bytes, fds, { timeout: shortTimeout }), answered]);
      return (await answered) === 0n;
    } catch {
      this[Symbol.dispose]();
      return false;
    }
  }

  async #answer(answer: ExpectedReply<bigint>): Promise<bigint> {
    const reader = new MessageReader(this.#stream);
    const end = performance.now() + shortTimeout;
    try {
      for (;;) {
        const message = reader.read();
        if (message !== undefined) {
          closeAll(message.fds);
          return decodeReply(answer, message);
        }
        await this.#stream.readable({ timeout: Math.max(0, end - performance.now()) });
      }
    } finally {
      reader.dispose();
    }
  }

  async #translate(): Promise<void> {
    this.#translating = true;
    try {
      // The rest of the burst has its say first.
      await Promise.resolve();
      while (this.#translations.length > 0) {
        const bytes = Buffer.concat(this.#translations.splice(0));
        await this.#stream.send(bytes, [], { timeout: shortTimeout });
      }
      this.#translating = false;
    } catch {
      this[Symbol.dispose]();
    }
  }

  async #send(): Promise<void> {
    this.#sending = true;
    try {
      do {
        this.#again = false;
        await this.#stream.send(encodeRequest(BACKEND_CONFIG_CHANGE_MSG, undefined), [], {
          timeout: shortTimeout,
        });
      } while (this.#again);
      this.#sending = false;
    } catch {
      // Stays busy: the other end is not there, or does not read.
      this[Symbol.dispose]();
    }
  }
}
