import { VioError, closeFd } from '@vio/native';
import { maxMemoryRegions } from './memory-payloads.ts';
import { type Header, type Message, decodeHeader, headerBytes } from './message.ts';
import { messageError } from './message-error.ts';
import type { PlainSource } from './message-stream.ts';

/** Bytes of the longest payload of the protocol, with room to spare. */
export const maxPayloadBytes = 4096;

/** Where bytes and descriptors come from: a UnixStream. */
export interface MessageSource {
  /** Reads what is there, without waiting; undefined: nothing yet. */
  receive(target: Uint8Array): { bytes: number; fds: readonly number[]; truncatedFds: boolean } | undefined;
}

/**
 * Cuts a byte stream into messages. It reads exactly to the end of the header, then to the end of the payload,
 * never beyond, so that descriptors always belong to the message they came with, however the stream is cut. What comes
 * without any is taken in larger pieces, where whoever reads goes on until there is no message more.
 */
export class MessageReader {
  readonly #source: MessageSource;
  readonly #checkHeader: (header: Header) => void;
  readonly #bytes = new Uint8Array(headerBytes + maxPayloadBytes);
  #have = 0;
  #header: Header | undefined;
  #fds: number[] = [];
  readonly #plain: PlainSource | undefined;

  /**
   * @param checkHeader called as soon as a header is complete; throws to refuse the message before its payload
   * @param plain the source, if `read` is called until it returns undefined whenever something has come: messages are taken
   *   from it ahead of that, and the socket has nothing to tell of these any more
   */
  constructor(source: MessageSource, checkHeader: (header: Header) => void = () => {}, plain?: PlainSource) {
    this.#source = source;
    this.#checkHeader = checkHeader;
    this.#plain = plain;
  }

  /**
   * The next message, or undefined if it has not wholly arrived yet. Its descriptors are the caller's.
   * After an error the reader holds no descriptors, and the stream is of no further use; only VIO_SYS_EMFILE (this process has
   * no room for the descriptors that come next) leaves everything as it was, to be tried again.
   * @throws VioError VIO_VHOST_DISCONNECTED (the peer closed between messages), VIO_VHOST_MESSAGE_TRUNCATED (within
   * one), VIO_VHOST_MESSAGE_SIZE, VIO_VHOST_MESSAGE_FDS, and what `checkHeader` throws
   */
  read(): Message | undefined {
    try {
      return this.#read();
    } catch (error) {
      if (!isOutOfDescriptors(error)) this.dispose();
      throw error;
    }
  }

  /** True when a part of a message has arrived, and the rest has not. */
  get partial(): boolean {
    return this.#have > 0 || this.#header !== undefined;
  }

  /** Closes the descriptors of a message that has not wholly arrived. */
  dispose(): void {
    closeAll(this.#fds);
    this.#fds = [];
  }

  #read(): Message | undefined {
    if (this.#header === undefined) {
      if (!this.#fill(headerBytes)) return undefined;
      const header = decodeHeader(this.#bytes);
      if (header.size > maxPayloadBytes) {
        throw messageError(
          'SIZE',
          `message ${header.request}`,
          'the payload size',
          header.size,
          `0 to ${maxPayloadBytes} bytes`,
        );
      }
      this.#checkHeader(header);
      this.#header = header;
    }
    const header = this.#header;
    const end = headerBytes + header.size;
    if (!this.#fill(end)) return undefined;
    const message = { ...header, payload: this.#bytes.slice(headerBytes, end), fds: this.#fds };
    this.#header = undefined;
    this.#bytes.copyWithin(0, end, this.#have);
    this.#have -= end;
    this.#fds = [];
    return message;
  }

  /** @returns true once `end` bytes of the message are there */
  #fill(end: number): boolean {
    while (this.#have < end) {
      if (this.#plain !== undefined) {
        const bytes = this.#plain.receivePlain(this.#bytes.subarray(this.#have));
        if (bytes === undefined) return false;
        this.#have += bytes;
        if (bytes > 0) continue;
      }
      const received = this.#source.receive(this.#bytes.subarray(this.#have, end));
      if (received === undefined) return false;
      this.#fds.push(...received.fds);
      if (received.truncatedFds || this.#fds.length > maxMemoryRegions) {
        const found = received.truncatedFds ? 'more than the system delivers' : this.#fds.length;
        throw messageError(
          'FDS',
          'message',
          'the number of file descriptors',
          found,
          `0 to ${maxMemoryRegions}`,
        );
      }
      if (received.bytes === 0) throw this.#endError(end);
      this.#have += received.bytes;
    }
    return true;
  }

  #endError(end: number): VioError {
    if (this.#have > 0) {
      return messageError(
        'TRUNCATED',
        'message',
        'its length when the peer closed',
        this.#have,
        `${end} bytes`,
      );
    }
    return new VioError('the other side of the vhost-user connection closed it', {
      code: 'VIO_VHOST_DISCONNECTED',
      remedy: 'see why it ended (its log says so if it refused something), then connect again',
      retryable: true,
    });
  }
}

/** Milliseconds before a message is looked at again whose descriptors found no room. */
export const roomMilliseconds = 20;

/** True for what `MessageReader.read` throws when a message has to wait for descriptors that this process does not have. */
export function isOutOfDescriptors(error: unknown): error is VioError {
  return VioError.is(error) && error.code === 'VIO_SYS_EMFILE';
}

/** Closes descriptors. */
export function closeAll(fds: readonly number[]): void {
  for (const fd of fds) closeFd(fd);
}
