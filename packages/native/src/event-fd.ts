import { addon } from './addon.ts';
import { attempt } from './system-error.ts';

/** An eventfd, non-blocking and close-on-exec: how the two sides of a virtqueue wake each other. */
export class EventFd implements Disposable {
  #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  static create(): EventFd {
    return new EventFd(attempt(() => addon.eventFdCreate(), 'make an eventfd'));
  }

  /**
   * Takes ownership of a descriptor that came from elsewhere, and makes it non-blocking.
   * @throws VioError VIO_SYS_EBADF when it is not open
   */
  static adopt(fd: number): EventFd {
    attempt(() => addon.setNonBlocking(fd), `use file descriptor ${fd} as an eventfd`);
    addon.ownFd(fd);
    return new EventFd(fd);
  }

  /** -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Wakes the other side. Never blocks; a counter that is full already wakes it. */
  signal(): void {
    addon.eventFdSignal(this.#fd);
  }

  /** Resets the counter. @returns true if it had been signalled */
  drain(): boolean {
    return addon.eventFdDrain(this.#fd);
  }

  close(): void {
    if (this.#fd === -1) return;
    addon.closeFd(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
