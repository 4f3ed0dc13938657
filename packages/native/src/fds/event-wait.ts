import { addon } from '../addon.ts';
import { attempt } from '../system-error.ts';
import { keepInThread } from '../untransferable.ts';
import { type EventFd, eventKinds } from './event-fd.ts';
import { closeFd } from './fd.ts';

/** Milliseconds after which a worker that waits looks whether it was terminated: a system call cannot be. */
const wakeMilliseconds = 500;

/** As in native/fds/event_wait.cc. */
const alone = -2;

/**
 * A wait on several events at once, for a thread that blocks. The events are bound when it is made, and have to stay open.
 *
 * It tells every signal once. An eventfd that it told of is still signalled for whoever else looks at it, until `take` or `close`:
 * to reset it is a system call, which need not be on the way to what the signal was for.
 */
export class EventWait implements Disposable {
  /** By event: 1 when the last `wait` told of it. */
  readonly signalled: Int32Array;
  /** Whom a thread that may block for good can sleep in a read of. */
  readonly #only: EventFd | undefined;
  readonly #fds: readonly number[];
  readonly #wait: (timeoutMs: number) => number;
  readonly #take: () => void;
  #told = false;
  /** Of which a read sleeps, since somebody was alone with it. */
  #blocking: EventFd | undefined;
  #closed = false;

  /** @throws VioError VIO_SYS_EMFILE, VIO_SYS_EBADF */
  constructor(events: readonly EventFd[]) {
    this.signalled = new Int32Array(events.length);
    keepInThread(this.signalled.buffer);
    const fds = Int32Array.from(events, ({ fd }) => fd);
    const kinds = Int32Array.from(events, ({ kind }) => eventKinds.indexOf(kind));
    const { isMainThread } = process.getBuiltinModule('node:worker_threads');
    const wake = isMainThread ? 0 : wakeMilliseconds;
    this.#only = isMainThread && events.length === 1 && events[0].kind === 'eventfd' ? events[0] : undefined;
    const made = attempt(
      () => addon.createEventWait(fds, kinds, this.signalled, wake),
      `wait for ${events.length} events`,
    );
    this.#fds = made.fds;
    this.#wait = made.wait;
    this.#take = made.take;
  }

  /**
   * Blocks this thread until one of them is signalled.
   * @param timeout milliseconds; Infinity: no limit
   * @returns false when time was over
   */
  wait(timeout: number): boolean {
    if (this.#closed) return false;
    this.signalled.fill(0);
    if (timeout === Infinity) {
      while (this.#look(-1) === 0);
      return true;
    }
    const end = performance.now() + timeout;
    for (let left = timeout; ; left = end - performance.now()) {
      if (this.#look(Math.max(0, Math.min(Math.ceil(left), 0x7fff_ffff))) > 0) return true;
      if (end <= performance.now()) return false;
    }
  }

  /**
   * As `wait(Infinity)`, where nobody else looks at the events. In the main thread, a single eventfd is then reset by the wait itself, and
   * whoever else reads it blocks, until `close`.
   */
  waitAlone(): boolean {
    if (this.#closed || this.#only === undefined) return this.wait(Infinity);
    this.#blocking = this.#only;
    while (this.#look(alone) === 0);
    return true;
  }

  /** Ends a thread that is to end, and was not told: `terminate()` does it once, and Node-API can miss it. */
  #look(timeoutMs: number): number {
    const told = this.#wait(timeoutMs);
    if (told < 0) process.exit(1);
    if (told > 0) this.#told = true;
    return told;
  }

  /**
   * Resets the eventfds that `wait` has told of, and with them what came since: whoever waits for something looks for it again
   * after this, and before the next `wait`.
   */
  take(): void {
    if (!this.#told) return;
    this.#told = false;
    this.#take();
  }

  /** Takes what it has told of, and gives back what it waits with; the events stay open. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.take();
    if (this.#blocking !== undefined && this.#blocking.fd !== -1) addon.setNonBlocking(this.#blocking.fd);
    for (const fd of this.#fds) closeFd(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
