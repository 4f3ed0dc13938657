import { addon } from '../addon.ts';
import { attempt } from '../system-error.ts';

/** As in native/event.cc. */
export const eventKinds = ['eventfd', 'pipe', 'socket', 'other'] as const;
const eventFd = eventKinds.indexOf('eventfd');

/**
 * An eventfd, close-on-exec: how the two sides of a virtqueue wake each other. What came from elsewhere may also be a
 * pipe or a socket, as frontends without eventfds send. Neither call ever blocks, whatever the other side does to the
 * descriptor it shares: its flags (O_NONBLOCK) are neither relied on nor changed, but by `EventWait.waitAlone`.
 */
export class EventFd implements Disposable {
  #fd: number;
  readonly #kind: number;

  private constructor(fd: number, kind: number) {
    this.#fd = fd;
    this.#kind = kind;
  }

  /** Makes a new one. @throws VioError VIO_SYS_EMFILE */
  static create(): EventFd {
    return new EventFd(
      attempt(() => addon.eventFdCreate(), 'make an eventfd'),
      eventFd,
    );
  }

  /**
   * Takes ownership of a descriptor that came from elsewhere.
   * @throws VioError VIO_SYS_EBADF when it is not open
   */
  static adopt(fd: number): EventFd {
    const kind = attempt(() => addon.eventKind(fd), `use file descriptor ${fd} as an eventfd`);
    addon.ownFd(fd);
    return new EventFd(fd, kind);
  }

  /** -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** What the descriptor is; `other` when it is nothing that one side wakes the other by. */
  get kind(): (typeof eventKinds)[number] {
    return eventKinds[this.#kind];
  }

  /**
   * Wakes the other side: adds 1 to an eventfd, writes 8 bytes elsewhere. One that is full already wakes it; where
   * nobody listens any more, nothing happens.
   */
  signal(): void {
    addon.eventFdSignal(this.#fd, this.#kind);
  }

  /** Resets the counter. @returns true if it had been signalled */
  drain(): boolean {
    return addon.eventFdDrain(this.#fd, this.#kind);
  }

  /** Closes the descriptor. Idempotent. */
  close(): void {
    if (this.#fd === -1) return;
    addon.closeFd(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
