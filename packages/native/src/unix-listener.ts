import { chmodSync, chownSync, statSync, unlinkSync } from 'node:fs';
import { addon } from './addon.ts';
import { VioError } from './error.ts';
import { closeFd, fileKind } from './fd.ts';
import { watchDuplicate } from './fd-watcher.ts';
import { checkSocketPath, closedError, listenErrors } from './socket-errors.ts';
import { attempt, errnoName } from './system-error.ts';
import { UnixStream } from './unix-stream.ts';
import { type WaitOptions, settle } from './waiting.ts';

export interface ListenOptions {
  /** Connections that may wait to be accepted. Default 128. */
  readonly backlog?: number;
  /** Permission bits of the socket file, for example 0o660. Default: what the umask leaves. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** Listeners whose files the end of the process removes. */
const open = new Set<UnixListener>();

/** A listening Unix stream socket. It owns its file: closing, and the end of the process, remove it. */
export class UnixListener implements Disposable {
  readonly path: string;
  #fd: number;
  readonly #inode: number;
  readonly #waiting = new Set<(reason: unknown) => void>();

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
    this.#inode = statSync(path).ino;
    if (open.size === 0) process.on('exit', closeAll);
    open.add(this);
  }

  /**
   * Listens on a path. A stale socket file, on which nobody listens, is replaced; anything else there is an error.
   * @throws VioError VIO_SOCKET_IN_USE, _NOT_A_SOCKET, _MISSING (directory), _PERMISSION, _PATH_TOO_LONG
   */
  static listen(path: string, options: ListenOptions = {}): UnixListener {
    checkSocketPath(path);
    removeStale(path);
    const fd = attempt(
      () => addon.socketListen(path, options.backlog ?? 128, options.mode ?? -1),
      `listen on ${path}`,
      listenErrors,
    );
    try {
      if (options.mode !== undefined) chmodSync(path, options.mode);
      if (options.uid !== undefined || options.gid !== undefined) {
        chownSync(path, options.uid ?? -1, options.gid ?? -1);
      }
      return new UnixListener(path, fd);
    } catch (cause) {
      closeFd(fd);
      unlinkSync(path);
      throw new VioError(`the owner or mode of ${path} cannot be set`, {
        code: 'VIO_SOCKET_PERMISSION',
        remedy: 'choose a mode, uid and gid this user may give away',
        cause,
      });
    }
  }

  /** -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** The next connection; several calls share out what comes. @throws VioError VIO_TIMEOUT, VIO_ABORTED, VIO_SOCKET_CLOSED */
  accept(options: WaitOptions = {}): Promise<UnixStream> {
    const what = `waiting for a connection on ${this.path}`;
    return settle<UnixStream>(what, options, (resolve, reject) => {
      if (this.#fd === -1) throw closedError(what);
      const stop = watchDuplicate(this.#fd, { readable: true }, () => {
        const fd = this.#acceptNow(reject);
        if (fd >= 0) resolve(UnixStream.adopt(fd));
      });
      this.#waiting.add(reject);
      return () => {
        this.#waiting.delete(reject);
        stop();
      };
    });
  }

  close(): void {
    if (this.#fd === -1) return;
    const fd = this.#fd;
    this.#fd = -1;
    for (const reject of this.#waiting) reject(closedError(`waiting for a connection on ${this.path}`));
    closeFd(fd);
    open.delete(this);
    if (open.size === 0) process.off('exit', closeAll);
    this.#unlink();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #acceptNow(reject: (reason: unknown) => void): number {
    try {
      return attempt(() => addon.socketAccept(this.#fd), `accept on ${this.path}`);
    } catch (error) {
      reject(error);
      return -1;
    }
  }

  /** Removes the socket file if it is still the one this listener made. */
  #unlink(): void {
    try {
      if (statSync(this.path).ino === this.#inode) unlinkSync(this.path);
    } catch {
      // Gone already: that is what was wanted.
    }
  }
}

function closeAll(): void {
  for (const listener of open) listener.close();
}

function removeStale(path: string): void {
  const kind = fileKind(path);
  if (kind === 'missing') return;
  if (kind !== 'socket') {
    throw new VioError(`${path} exists and is a ${kind}, not a socket`, {
      code: 'VIO_SOCKET_NOT_A_SOCKET',
      remedy: 'choose another path, or remove what is there yourself',
    });
  }
  try {
    closeFd(addon.socketConnect(path));
  } catch (error) {
    // Refused: nobody listens. Everything else may be alive, and bind will say what it thinks of it.
    if (errnoName(error) === 'ECONNREFUSED') unlinkSync(path);
  }
}
