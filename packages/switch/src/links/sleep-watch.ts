import { FdWatcher } from '@vio/native';

/** Wakes whoever sleeps once there is something to read. It watches for the time of sleep only: it would call for every frame. */
export class SleepWatch {
  readonly #fd: number;
  readonly #wake: () => void;
  #watcher: FdWatcher | undefined;

  constructor(fd: number, wake: () => void) {
    this.#fd = fd;
    this.#wake = wake;
  }

  arm(): void {
    this.#watcher ??= new FdWatcher(this.#fd, { readable: true }, () => {
      this.disarm();
      this.#wake();
    });
  }

  disarm(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}
