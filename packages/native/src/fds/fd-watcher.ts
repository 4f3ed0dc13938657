import { addon } from '../addon.ts';
import { type EventFd, eventKinds } from './event-fd.ts';
import { closeFd, dupFd } from './fd.ts';
import { attempt } from '../system-error.ts';

/** What a descriptor is ready for. */
export interface Readiness {
  /** A read gives data, or the end. */
  readonly readable: boolean;
  /** A write takes data. */
  readonly writable: boolean;
  /** The other side is gone. */
  readonly hangup: boolean;
}

const readable = 1;
const writable = 2;
const hangup = 4;

/**
 * The event loop's uv_poll, or a thread of ours that sleeps in epoll: Bun and Deno have no uv_poll. `VIO_FD_WATCHER=thread` in
 * the environment does without it on Node as well.
 */
function watchEngine(): typeof addon.loopWatch {
  const { bun, deno } = process.versions;
  const asked = process.env['VIO_FD_WATCHER'] === 'thread';
  return asked || bun !== undefined || deno !== undefined ? addon.threadWatch : addon.loopWatch;
}

/**
 * Calls back on the event loop while an fd is ready (level-triggered). Does not own the fd; close the
 * watcher first. One watcher per fd and thread.
 */
export class FdWatcher implements Disposable {
  readonly #engine = watchEngine();
  #watcher: object | undefined;

  constructor(
    fd: number,
    events: { readonly readable?: boolean; readonly writable?: boolean },
    onEvent: (ready: Readiness) => void,
  ) {
    const mask = (events.readable === true ? readable : 0) | (events.writable === true ? writable : 0);
    const callback = (what: number): void => {
      onEvent({
        readable: (what & readable) !== 0,
        writable: (what & writable) !== 0,
        hangup: (what & hangup) !== 0,
      });
    };
    this.#watcher = watched(this.#engine, fd, mask, callback, -1);
  }

  /** An open watcher keeps the process alive (the default). */
  ref(): void {
    if (this.#watcher !== undefined) this.#engine.reference(this.#watcher, true);
  }

  /** Lets the process end although the watcher is open. */
  unref(): void {
    if (this.#watcher !== undefined) this.#engine.reference(this.#watcher, false);
  }

  /** Ends watching; the descriptor stays open. Idempotent. */
  close(): void {
    if (this.#watcher === undefined) return;
    this.#engine.unwatch(this.#watcher);
    this.#watcher = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function watched(
  engine: typeof addon.loopWatch,
  fd: number,
  mask: number,
  callback: (what: number) => void,
  kind: number,
): object {
  return attempt(() => engine.watch(fd, mask | hangup, callback, kind), `watch file descriptor ${fd}`);
}

/**
 * Calls back on the event loop when an event was signalled, and drains it: the same as an `FdWatcher`, with a shorter way to the
 * callback. Nothing keeps the process for it until `ref`.
 */
export class EventWatcher implements Disposable {
  readonly #engine = watchEngine();
  #watcher: object | undefined;

  /** @param onSignal is told whether it had been signalled; false: the other side is gone, or somebody else has drained it */
  constructor(event: EventFd, onSignal: (signalled: boolean) => void) {
    const callback = (what: number): void => onSignal(what === readable);
    this.#watcher = watched(this.#engine, event.fd, readable, callback, eventKinds.indexOf(event.kind));
    this.unref();
  }

  /** As that of an `FdWatcher`. */
  ref(): void {
    if (this.#watcher !== undefined) this.#engine.reference(this.#watcher, true);
  }

  /** As that of an `FdWatcher`. */
  unref(): void {
    if (this.#watcher !== undefined) this.#engine.reference(this.#watcher, false);
  }

  /** Ends watching; the event stays open. Idempotent. */
  close(): void {
    if (this.#watcher === undefined) return;
    this.#engine.unwatch(this.#watcher);
    this.#watcher = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Watches a duplicate of an fd: libuv polls a descriptor once per loop, and the original may be watched already.
 * @returns what ends the watch
 */
export function watchDuplicate(
  fd: number,
  events: { readonly readable?: boolean; readonly writable?: boolean },
  onEvent: (ready: Readiness) => void,
): () => void {
  const own = dupFd(fd);
  try {
    const watcher = new FdWatcher(own, events, onEvent);
    return () => {
      watcher.close();
      closeFd(own);
    };
  } catch (error) {
    closeFd(own);
    throw error;
  }
}
