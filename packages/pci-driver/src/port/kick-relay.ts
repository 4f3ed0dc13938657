import { type EventFd, FdWatcher } from '@vio/native';
import type { Notifier, PlacedQueue } from '@vio/net';

/**
 * Passes kicks on from eventfds to a device's registers: for queues that other threads drive, which cannot reach the
 * registers. It costs a turn of this thread's event loop, and does not keep the process alive.
 */
export class KickRelay implements Disposable {
  readonly #watchers: FdWatcher[] = [];

  /** @param notifier of a queue, by its number */
  constructor(queues: readonly PlacedQueue[], notifier: (queue: number) => Notifier) {
    for (const { index, kick } of queues) {
      if (kick !== undefined) this.#watchers.push(relay(kick, notifier(index)));
    }
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }
}

function relay(kick: EventFd, notifier: Notifier): FdWatcher {
  const watcher = new FdWatcher(kick.fd, { readable: true }, () => {
    if (kick.drain()) notifier.signal();
  });
  watcher.unref();
  return watcher;
}
