import { addon } from '../addon.ts';
import { closeFd, fileKind } from '../fds/fd.ts';
import { FdWatcher, watchDuplicate } from '../fds/fd-watcher.ts';
import { VioError } from '../error.ts';
import { checkSocketPath, closedError, connectErrors } from './socket-errors.ts';
import { attempt, errnoName, systemError } from '../system-error.ts';
import { type WaitOptions, checkWait, settle } from '../waiting.ts';

/** What a message waits for that brings more descriptors than this process may have. */
const outOfDescriptors = {
  code: 'VIO_SYS_EMFILE',
  remedy: 'raise the limit of open files (ulimit -n), or close ports that are no longer used',
  retryable: true,
};

/** What one `receive` found. */
export interface Received {
  /** Bytes written to the target, 0 when the peer has closed. */
  readonly bytes: number;
  /** Descriptors that came along, close-on-exec; they are the caller's to close. */
  readonly fds: number[];
  /** More descriptors came than one message may carry; the kernel dropped the rest. */
  readonly truncatedFds: boolean;
}

const retryMilliseconds = 10;
/** SCM_MAX_FD of the kernel. */
const maxFdsPerSend = 253;

const peerClosed = {
  code: 'VIO_SOCKET_CLOSED',
  remedy: 'the other side ended the connection: connect again',
  retryable: true,
};

/** Of somebody who sends. What aborts is made once there is something to wait for: Node loads it then, for longer than most messages take. */
class Patience {
  over = false;
  #controller: AbortController | undefined;

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  end(): void {
    this.over = true;
    this.#controller?.abort();
  }
}

/** A connected Unix stream socket that carries file descriptors (SCM_RIGHTS). Non-blocking, close-on-exec. */
export class UnixStream implements Disposable {
  #fd: number;
  #reader: FdWatcher | undefined;
  #handler: (() => void) | undefined;
  #pause: NodeJS.Timeout | undefined;
  /** What is waiting for this socket, to be told when it closes. */
  readonly #waiting = new Set<() => void>();
  #sending: Promise<void> = Promise.resolve();
  /** Calls of `send` that have not ended. */
  #sends = 0;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * Connects to a listening socket. A full backlog is waited for.
   * @throws VioError VIO_SOCKET_MISSING, _NOT_A_SOCKET, _REFUSED, _PERMISSION, _PATH_TOO_LONG, VIO_TIMEOUT, VIO_ABORTED
   */
  static connect(path: string, options: WaitOptions = {}): Promise<UnixStream> {
    const what = `connecting to ${path}`;
    return settle(what, options, (resolve, reject) => {
      checkWait('UnixStream.connect', options);
      checkSocketPath(path);
      const kind = fileKind(path);
      if (kind !== 'missing' && kind !== 'socket') {
        throw new VioError(`${path} is a ${kind}, not a socket`, {
          code: 'VIO_SOCKET_NOT_A_SOCKET',
          remedy: 'give the path of the Unix socket the other side listens on',
        });
      }
      let retry: NodeJS.Timeout | undefined;
      const tryOnce = (): void => {
        try {
          resolve(new UnixStream(addon.socketConnect(path)));
        } catch (error) {
          if (errnoName(error) === 'EAGAIN') retry = setTimeout(tryOnce, retryMilliseconds);
          else reject(systemError(error, `connect to ${path}`, connectErrors));
        }
      };
      tryOnce();
      return () => clearTimeout(retry);
    });
  }

  /** Two streams connected to each other. */
  static pair(): [UnixStream, UnixStream] {
    const [a, b] = attempt(() => addon.socketPair(), 'make a socket pair');
    return [new UnixStream(a), new UnixStream(b)];
  }

  /** Takes ownership of a connected socket. */
  static adopt(fd: number): UnixStream {
    attempt(() => addon.setNonBlocking(fd), `use file descriptor ${fd} as a socket`);
    addon.ownFd(fd);
    return new UnixStream(fd);
  }

  /** -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /**
   * One recvmsg: up to `target.length` bytes (at least one), and the descriptors that came with them.
   * @returns undefined when nothing is there now; `bytes` 0 when the peer has closed
   * @throws VioError VIO_SYS_EMFILE when this process has no room for the descriptors: nothing was taken, try again later
   */
  receive(target: Uint8Array): Received | undefined {
    if (this.#fd === -1) throw closedError('receiving');
    const fds: number[] = [];
    const n = attemptReceive(this.#fd, target, fds);
    if (n === -1) return undefined;
    return n >= 0 ? { bytes: n, fds, truncatedFds: false } : { bytes: -2 - n, fds, truncatedFds: true };
  }

  /**
   * What is there now, up to `target.length` bytes and as long as no descriptors come with them: many messages for one look and one
   * call, where `receive` has to end at the end of one, lest its descriptors be taken for those of another.
   * @returns bytes; 0 when `receive` has something else to say, undefined when nothing is there now
   * @throws VioError VIO_SOCKET_CLOSED
   * @internal
   */
  receivePlain(target: Uint8Array): number | undefined {
    if (this.#fd === -1) throw closedError('receiving');
    const n = addon.socketReceivePlain(this.#fd, target);
    return n === -1 ? undefined : n;
  }

  /**
   * Resolves when `receive` has something to say: data, the peer's close, or an error.
   * @throws VioError VIO_SOCKET_CLOSED, VIO_TIMEOUT, VIO_ABORTED, VIO_OPTION_UNKNOWN
   */
  async readable(options: WaitOptions = {}): Promise<void> {
    checkWait('UnixStream.readable', options);
    return this.#ready({ readable: true }, 'waiting for data', options);
  }

  /**
   * Calls the handler while there is something to receive. There is one, the last that was given. Excludes `readable`.
   * @returns takes the handler back
   */
  onReadable(handler: () => void): () => void {
    this.#read(handler);
    return () => {
      if (this.#handler === handler) this.#read(undefined);
    };
  }

  /** Leaves the handler of `onReadable` alone for so many milliseconds, whatever there is to receive. */
  pauseReading(milliseconds: number): void {
    const handler = this.#handler;
    if (handler === undefined) return;
    this.#reader?.close();
    this.#reader = undefined;
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => this.#read(handler), milliseconds);
  }

  #read(handler: (() => void) | undefined): void {
    clearTimeout(this.#pause);
    this.#reader?.close();
    this.#handler = handler;
    this.#reader =
      handler === undefined || this.#fd === -1
        ? undefined
        : new FdWatcher(this.#fd, { readable: true }, handler);
  }

  /**
   * Sends all bytes, the descriptors with the first of them; waits for room. Calls are served in order, and their time
   * counts from the call. After a timeout or an abort a part may have gone out.
   * @throws VioError VIO_SOCKET_CLOSED, VIO_TIMEOUT, VIO_ABORTED, VIO_SOCKET_FDS
   */
  send(bytes: Uint8Array, fds: readonly number[] = [], options: WaitOptions = {}): Promise<void> {
    return settle<void>('sending', options, (resolve, reject) => {
      checkWait('UnixStream.send', options);
      const patience = new Patience();
      this.#sends++;
      const turn = this.#sending.then(() => this.#send(bytes, fds, patience)).finally(() => this.#sends--);
      this.#sending = turn.catch(() => {});
      turn.then(resolve, reject);
      return () => patience.end();
    });
  }

  /**
   * Sends at once what there is room for, the descriptors with the first byte: most of what `send` has for waiting is garbage where
   * nothing has to wait.
   * @returns bytes that were taken, 0 while a `send` is under way; the rest is for `send`, without descriptors if some were
   * @throws VioError VIO_SOCKET_CLOSED, VIO_SOCKET_FDS
   * @internal
   */
  sendNow(bytes: Uint8Array, fds: readonly number[]): number {
    if (this.#sends > 0) return 0;
    checkPassengers(bytes, fds);
    return this.#sendSome(bytes, fds);
  }

  /** Closes the connection; what waits for it fails with VIO_SOCKET_CLOSED. Idempotent. */
  close(): void {
    if (this.#fd === -1) return;
    this.#read(undefined);
    const fd = this.#fd;
    this.#fd = -1;
    for (const tell of this.#waiting) tell();
    closeFd(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #send(bytes: Uint8Array, fds: readonly number[], patience: Patience): Promise<void> {
    checkPassengers(bytes, fds);
    let passengers = fds;
    for (let sent = 0; sent < bytes.length && !patience.over;) {
      const n = this.#sendSome(bytes.subarray(sent), passengers);
      if (n > 0) {
        sent += n;
        passengers = [];
      } else {
        await this.#ready({ writable: true }, 'sending', { signal: patience.signal });
      }
    }
  }

  /** @returns bytes that were taken; 0: there is no room now */
  #sendSome(bytes: Uint8Array, passengers: readonly number[]): number {
    if (this.#fd === -1) throw closedError('sending');
    const n = attempt(() => addon.socketSend(this.#fd, bytes, passengers), 'send', {
      EPIPE: peerClosed,
      ECONNRESET: peerClosed,
    });
    return Math.max(0, n);
  }

  #ready(
    events: { readable?: boolean; writable?: boolean },
    what: string,
    options: WaitOptions,
  ): Promise<void> {
    return settle<void>(what, options, (resolve, reject) => {
      if (this.#fd === -1) throw closedError(what);
      const stop = watchDuplicate(this.#fd, events, () => resolve());
      const tell = (): void => reject(closedError(what));
      this.#waiting.add(tell);
      return () => {
        this.#waiting.delete(tell);
        stop();
      };
    });
  }
}

function checkPassengers(bytes: Uint8Array, fds: readonly number[]): void {
  if (fds.length > maxFdsPerSend || (fds.length > 0 && bytes.length === 0)) throw passengersError(fds.length);
}

function passengersError(fds: number): VioError {
  return new VioError(`${fds} file descriptors cannot travel with this message`, {
    code: 'VIO_SOCKET_FDS',
    remedy: `send at most ${maxFdsPerSend} at a time, and at least one byte with them`,
  });
}

function attemptReceive(fd: number, target: Uint8Array, fds: number[]): number {
  try {
    return addon.socketReceive(fd, target, fds);
  } catch (error) {
    if (errnoName(error) === 'ECONNRESET') return 0; // closed with data unread: still just closed
    throw systemError(error, 'receive', { EMFILE: outOfDescriptors });
  }
}
