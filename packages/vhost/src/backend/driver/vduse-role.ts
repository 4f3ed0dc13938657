import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { VioError } from '@vio/native';
import { callApplication, longestTimer, quoted } from '@vio/native/internal';
import { vduseDirectory } from '../vduse/vduse-node.ts';
import { VduseSession, type VduseSessionOptions } from './vduse-session.ts';

/** Bytes of a device's name, for the kernel and for the files of its state. */
const mostNameBytes = 200;

/**
 * True for a path that is no socket, but a device of VDUSE.
 * @throws VioError VIO_OPTION_VALUE for one that names none
 */
export function isVdusePath(path: string): boolean {
  if (!path.startsWith(vduseDirectory)) return false;
  const name = path.slice(vduseDirectory.length);
  const fits = /^[^/\0]+$/.test(name) && Buffer.byteLength(name) <= mostNameBytes;
  if (fits && name !== '.' && name !== '..' && name !== 'control') return true;
  throw new VioError(`there can be no VDUSE device ${quoted(name)}`, {
    code: 'VIO_OPTION_VALUE',
    remedy: `give ${vduseDirectory}NAME, with a name of 1 to ${mostNameBytes} bytes without a slash`,
  });
}

/** Where the state of VDUSE devices is kept: it goes with the machine, not with the process. */
export function defaultStateDirectory(): string {
  const uid = process.getuid?.() ?? 0;
  if (uid === 0) return '/run/vio/vduse';
  const { XDG_RUNTIME_DIR: runtime } = process.env;
  return runtime === undefined || runtime === ''
    ? join(tmpdir(), `vio-${uid}`, 'vduse')
    : join(runtime, 'vio/vduse');
}

/** Serves a device on the vdpa bus; one that is lost is looked for until it is there again. */
export class VduseRole {
  readonly #options: Omit<VduseSessionOptions, 'onEnd'>;
  readonly #retry: number | undefined;
  #session: VduseSession | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  /** Why it could not be served, as it was told last. */
  #told = '';

  /** @param retry milliseconds between two attempts; undefined: a device that is lost is lost */
  constructor(options: Omit<VduseSessionOptions, 'onEnd'>, retry: number | undefined) {
    this.#options = options;
    this.#retry = retry;
  }

  /** @throws VioError VIO_VDUSE_* */
  start(): void {
    this.#session = new VduseSession({
      ...this.#options,
      onEnd: () => {
        this.#session = undefined;
        this.#later();
      },
    });
    this.#told = '';
  }

  /** What devices say of themselves has changed. */
  configChanged(): void {
    this.#session?.configChanged();
  }

  /** Serves nothing any more. */
  end(reason: VioError): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#session?.end(reason);
    this.#session = undefined;
  }

  #later(): void {
    if (this.#retry === undefined || this.#ended) return;
    this.#timer = setTimeout(() => this.#again(), Math.min(this.#retry, longestTimer));
  }

  #again(): void {
    try {
      this.start();
    } catch (error) {
      if (VioError.is(error)) this.#tell(error);
      this.#later();
    }
  }

  /** The same reason again is no news. */
  #tell(reason: VioError): void {
    if (reason.message === this.#told) return;
    this.#told = reason.message;
    callApplication(() => this.#options.callbacks().connectionRefused?.(reason));
  }
}
