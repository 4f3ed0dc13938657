import { UnixStream, VioError, closeFd, fileKind } from '@vio/native';
import { backendRequests, encodeRequest } from '../../wire/index.ts';
import type { ConfigChannel } from '../device/device-config.ts';

/** Milliseconds a message may wait for a frontend that does not read. */
const sendTimeout = 1000;

/**
 * The way back: what this backend may say to its frontend unasked (BACKEND_REQ). Nothing it says is waited for. A
 * frontend that does not read, or has closed its end, is not told any more.
 */
export class BackendChannel implements ConfigChannel {
  readonly #stream: UnixStream;
  #sending = false;
  #again = false;
  #closed = false;

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

  /** The configuration space has changed. While one such message is on its way, one more at most follows. */
  configChanged(): void {
    if (this.#sending) this.#again = true;
    else void this.#send();
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stream.close();
  }

  async #send(): Promise<void> {
    this.#sending = true;
    try {
      do {
        this.#again = false;
        const bytes = encodeRequest(backendRequests.BACKEND_CONFIG_CHANGE_MSG, null);
        await this.#stream.send(bytes, [], { timeout: sendTimeout });
      } while (this.#again);
      this.#sending = false;
    } catch {
      // Stays busy: the other end is not there, or does not read.
      this[Symbol.dispose]();
    }
  }
}
