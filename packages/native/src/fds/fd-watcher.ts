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

/** A descriptor that is watched on the event loop. Does not own it; close the watcher first. One watcher per fd and thread. */
export abstract class Watcher implements Disposable {
  readonly #engine = watchEngine();
  #watcher: object | undefined;

  /** @param kind of an event, which is drained before the callback; -1: nothing is */
  protected constructor(fd: number, mask: number, callback: (what: number) => void, kind: number) {
    this.#watcher = attempt(
      () => this.#engine.watch(fd, mask | hangup, callback, kind),
      `watch file descriptor ${fd}`,
    );
  }

  /** An open watcher keeps the process alive. */
  ref(): void {
    if (this.#watcher !== undefined) this.#engine.reference(this.#watcher, true);
  }

  /** Lets the process end although the watcher is open. */
  unref(): void {
    if (this.#watcher !== undefined) this.#engine.reference(this.#watcher, false);
  }

  /** @returns whether it is so then */
  protected setLate(late: boolean): boolean {
    if (this.#watcher === undefined || this.#engine.late === undefined) return false;
    this.#engine.late(this.#watcher, late);
    return late;
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

/** Calls back on the event loop while an fd is ready (level-triggered). Keeps the process alive until `unref`. */
export class FdWatcher extends Watcher {
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
    super(fd, mask, callback, -1);
  }
}

/**
 * Calls back on the event loop when an event was signalled, and drains it: the same as an `FdWatcher`, with a shorter way to the
 * callback. Nothing keeps the process for it until `ref`.
 */
export class EventWatcher extends Watcher {
  readonly #event: EventFd;
  #late = false;

  /** @param onSignal is told whether it had been signalled; false: the other side is gone, or somebody else has drained it */
  constructor(event: EventFd, onSignal: (signalled: boolean) => void) {
    super(event.fd, readable, (what) => onSignal(what === readable), eventKinds.indexOf(event.kind));
    this.#event = event;
    this.unref();
  }

  /**
   * True: an eventfd is not drained before the callback, whose work it becomes, before the event loop polls again. That is a system
   * call less on the way to what the event is for. Stays false for any other event, and where no event loop watches.
   */
  get late(): boolean {
    return this.#late;
  }

  set late(late: boolean) {
    if (late === this.#late) return;
    this.#late = this.setLate(late && this.#event.kind === 'eventfd');
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
