import { lstatSync, unlinkSync } from 'node:fs';
import { addon } from '../addon.ts';
import { VioError } from '../error.ts';
import { closeFd, fileKind, inBigInts } from '../fds/fd.ts';
import { FdWatcher } from '../fds/fd-watcher.ts';
import { type OptionNames, checkOptions } from '../options.ts';
import { checkSocketPath, closedError, listenErrors } from './socket-errors.ts';
import { attempt, errnoName, systemError } from '../system-error.ts';
import { UnixStream } from './unix-stream.ts';
import { type WaitOptions, checkWait, settle } from '../waiting.ts';

/** How a socket is listened on. */
export interface ListenOptions {
  /** Connections that may wait to be accepted. Default 128. */
  readonly backlog?: number;
  /** Permission bits of the socket file, for example 0o660. Default: what the umask leaves. */
  readonly mode?: number;
  /** Owner of the socket file, by number. Default: this process's. */
  readonly uid?: number;
  /** Group of the socket file, by number. Default: this process's. */
  readonly gid?: number;
}

const listenOptions: OptionNames<ListenOptions> = { backlog: true, mode: true, uid: true, gid: true };

/** The socket and its file. */
type Made = ReturnType<typeof addon.socketListen>;

interface Waiting {
  readonly resolve: (stream: UnixStream) => void;
  readonly reject: (reason: unknown) => void;
}

const noRoom = {
  code: 'VIO_SYS_EMFILE',
  remedy: 'raise the limit of open files (ulimit -n), or serve fewer connections',
  retryable: true,
};

/** Listeners whose files the end of the process removes. */
const open = new Set<UnixListener>();

/** A listening Unix stream socket. It owns the file that it made: closing, and the end of the process, remove it. */
export class UnixListener implements Disposable {
  /** Path of the socket file. */
  readonly path: string;
  #fd: number;
  /** Undefined: the file is somebody else's. */
  readonly #file: Made | undefined;
  /** Who waits for a connection, in their order. */
  readonly #waiting = new Set<Waiting>();
  /** Watches while somebody waits. */
  #watcher: FdWatcher | undefined;

  private constructor(path: string, fd: number, file: Made | undefined) {
    this.path = path;
    this.#fd = fd;
    this.#file = file;
    if (open.size === 0) process.on('exit', closeAll);
    open.add(this);
  }

  /**
   * Listens on a path. A stale socket file, on which nobody listens, is replaced; anything else there is an error. Of several
   * who listen on one path at once, one does. With a mode or an owner the file has them from the moment it is there.
   * @throws VioError VIO_SOCKET_IN_USE, _NOT_A_SOCKET, _MISSING (directory), _PERMISSION, _PATH_TOO_LONG; VIO_OPTION_UNKNOWN
   */
  static listen(path: string, options: ListenOptions = {}): UnixListener {
    checkOptions('UnixListener.listen', options, listenOptions);
    checkSocketPath(path);
    checkRights(options);
    const { backlog = 128, mode = -1, uid = -1, gid = -1 } = options;
    try {
      const made = addon.socketListen(path, backlog, mode, uid, gid);
      return new UnixListener(path, made.fd, made);
    } catch (error) {
      if (errnoName(error) === 'EADDRINUSE') checkIsSocket(path);
      throw systemError(error, `listen on ${path}`, listenErrors);
    }
  }

  /**
   * Takes over a socket that listens already, as systemd passes them. The descriptor belongs to the listener then; the file does not,
   * and stays when the listener is closed.
   * @param path where it listens, for messages
   */
  static adopt(fd: number, path: string): UnixListener {
    attempt(() => addon.setNonBlocking(fd), `use file descriptor ${fd} as a socket`);
    addon.ownFd(fd);
    return new UnixListener(path, fd, undefined);
  }

  /** -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /**
   * The next connection; several calls share out what comes.
   * @throws VioError VIO_TIMEOUT, VIO_ABORTED, VIO_SOCKET_CLOSED; VIO_SYS_EMFILE when this process has no descriptor left: a
   *   connection came and was refused
   */
  accept(options: WaitOptions = {}): Promise<UnixStream> {
    const what = `waiting for a connection on ${this.path}`;
    return settle<UnixStream>(what, options, (resolve, reject) => {
      checkWait('UnixListener.accept', options);
      if (this.#fd === -1) throw closedError(what);
      const waiting = { resolve, reject };
      this.#waiting.add(waiting);
      this.#watcher ??= new FdWatcher(this.#fd, { readable: true }, () => this.#accept());
      return () => {
        this.#waiting.delete(waiting);
        if (this.#waiting.size === 0) this.#unwatch();
      };
    });
  }

  /** Ends listening, removes the socket file and fails who waits in `accept`. Idempotent. */
  close(): void {
    if (this.#fd === -1) return;
    this.#unwatch();
    // First the file: while it is there, somebody listens.
    this.#unlink();
    const fd = this.#fd;
    this.#fd = -1;
    for (const { reject } of this.#waiting) reject(closedError(`waiting for a connection on ${this.path}`));
    closeFd(fd);
    open.delete(this);
    if (open.size === 0) process.off('exit', closeAll);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #accept(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    try {
      const fd = attempt(() => addon.socketAccept(this.#fd), `accept on ${this.path}`, { EMFILE: noRoom });
      if (fd >= 0) first.resolve(UnixStream.adopt(fd));
    } catch (error) {
      first.reject(error);
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Removes the socket file if it is still the one this listener made. */
  #unlink(): void {
    if (this.#file === undefined) return;
    try {
      const { dev, ino } = lstatSync(this.path, inBigInts);
      const { device, inode } = this.#file;
      if (Number(dev) === device && Number(ino) === inode) unlinkSync(this.path);
    } catch {
      // Gone already: that is what was wanted.
    }
  }
}

function closeAll(): void {
  for (const listener of open) listener.close();
}

/** Numbers that no file can have would become others on their way to the kernel. */
function checkRights({ mode = 0, uid = 0, gid = 0 }: ListenOptions): void {
  const within = (value: number, most: number): boolean =>
    Number.isInteger(value) && value >= 0 && value <= most;
  if (within(mode, 0o7777) && within(uid, 0xffff_fffe) && within(gid, 0xffff_fffe)) return;
  throw new VioError(`a socket file cannot have the mode 0o${mode.toString(8)}, uid ${uid} and gid ${gid}`, {
    code: 'VIO_SOCKET_PERMISSION',
    remedy: 'choose a mode, uid and gid that a file can have',
  });
}

function checkIsSocket(path: string): void {
  const kind = fileKind(path);
  if (kind === 'missing' || kind === 'socket') return;
  throw new VioError(`${path} exists and is a ${kind}, not a socket`, {
    code: 'VIO_SOCKET_NOT_A_SOCKET',
    remedy: 'choose another path, or remove what is there yourself',
  });
}
