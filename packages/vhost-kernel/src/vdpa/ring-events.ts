import { EventFd, FdWatcher } from '@vio/native';
import type { VdpaRing } from '@vio/vhost';

/**
 * The eventfds by which a ring and the kernel wake each other: those of its driver, or where that has none, others between which
 * and the driver this process passes signals on.
 */
export class RingEvents implements Disposable {
  readonly ring: VdpaRing;
  #kick: EventFd | undefined;
  #call: EventFd | undefined;
  #endKicks = (): void => {};
  #watcher: FdWatcher | undefined;

  constructor(ring: VdpaRing) {
    this.ring = ring;
  }

  get kickFd(): number {
    return this.ring.kickFd ?? this.#ownKick().fd;
  }

  get callFd(): number {
    return this.ring.callFd ?? this.#ownCall().fd;
  }

  [Symbol.dispose](): void {
    this.#endKicks();
    this.#watcher?.close();
    this.#kick?.close();
    this.#call?.close();
  }

  #ownKick(): EventFd {
    if (this.#kick !== undefined) return this.#kick;
    const kick = (this.#kick = EventFd.create());
    this.#endKicks = this.ring.onKick(() => kick.signal());
    return kick;
  }

  #ownCall(): EventFd {
    if (this.#call !== undefined) return this.#call;
    const call = (this.#call = EventFd.create());
    this.#watcher = new FdWatcher(call.fd, { readable: true }, () => {
      call.drain();
      this.ring.call();
    });
    this.#watcher.unref();
    return call;
  }
}
