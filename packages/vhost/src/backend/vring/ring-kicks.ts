import { type EventFd, FdWatcher } from '@vio/native';
import { callApplication } from '@vio/native/internal';

/** Milliseconds between two looks at a ring whose driver has nothing to kick with (any more). */
const lookInterval = 10;

/**
 * The kicks of one ring. Its descriptor is watched from the first listener on, until it is replaced: to begin and end watching
 * at every sleep would be several system calls. A ring without one is looked at every 10 ms while somebody listens. Nothing
 * here keeps the process alive: the socket of the driver does, if anything.
 */
export class RingKicks {
  #kick: EventFd | undefined;
  #watcher: FdWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #listeners = new Set<() => void>();

  /** The driver's descriptor; undefined: it has none. Stays this side's. */
  get fd(): number | undefined {
    return this.#kick?.fd;
  }

  /** The same where it is an eventfd, which a kernel takes; undefined: it has none. */
  get eventFd(): number | undefined {
    return this.#kick?.kind === 'eventfd' ? this.#kick.fd : undefined;
  }

  /** Takes another descriptor, and closes the one there was. */
  replace(kick: EventFd | undefined): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#endLooks();
    this.#kick?.close();
    this.#kick = kick;
    if (this.#listeners.size === 0) return;
    this.#begin();
    // What was kicked by the one before is not slept over.
    setImmediate(() => this.#tell());
  }

  /** Calls a listener after every kick. @returns ends it */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#begin();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#endLooks();
    };
  }

  #begin(): void {
    const kick = this.#kick;
    if (this.#watcher !== undefined || this.#timer !== undefined) return;
    if (kick === undefined) return this.#look();
    this.#watcher = new FdWatcher(kick.fd, { readable: true }, ({ hangup }) => {
      kick.drain();
      // A pipe or a socket at whose other end nobody is stays readable for ever.
      if (hangup) {
        this.#watcher?.close();
        this.#watcher = undefined;
        this.#kick?.close();
        this.#kick = undefined;
        if (this.#listeners.size > 0) this.#look();
      }
      this.#tell();
    });
    this.#watcher.unref();
  }

  #look(): void {
    this.#timer = setInterval(() => this.#tell(), lookInterval).unref();
  }

  #endLooks(): void {
    if (this.#timer !== undefined) clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tell(): void {
    for (const listener of Array.from(this.#listeners)) callApplication(listener);
  }
}
