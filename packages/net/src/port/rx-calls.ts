import { type EventFd, FdWatcher } from '@vio/native';
import { callApplication, waitReadable } from '@vio/native/internal';
import type { RxQueue } from '../queue/rx-queue.ts';

interface Watched {
  readonly watcher: FdWatcher;
  readonly listeners: Set<() => void>;
  /** Those for whom the process stays. */
  holders: number;
}

/**
 * The eventfds that a device signals when it has used receive buffers, by queue pair. Each is watched from its first
 * listener on, until the port is closed: to begin and end watching at every sleep would be several system calls.
 */
export class RxCalls {
  readonly #rx: readonly RxQueue[];
  readonly #calls: readonly EventFd[];
  readonly #watched = new Map<number, Watched>();
  #closed = false;

  constructor(rx: readonly RxQueue[], calls: readonly EventFd[]) {
    this.#rx = rx;
    this.#calls = calls;
  }

  fd(pair: number): number {
    return this.#calls[pair].fd;
  }

  /**
   * Calls a listener after every interrupt of a queue pair. While there is one, the process does not end by itself.
   * @returns ends it
   */
  listen(pair: number, listener: () => void): () => void {
    if (this.#closed) return () => {};
    const { listeners } = this.#watch(pair);
    listeners.add(listener);
    this.hold(pair);
    return () => {
      if (listeners.delete(listener)) this.release(pair);
    };
  }

  /** As `listen`, until the port is closed; the process stays for it only while somebody holds the pair. */
  listenQuietly(pair: number, listener: () => void): void {
    if (!this.#closed) this.#watch(pair).listeners.add(listener);
  }

  /** The process does not end by itself until as many have released a pair as have held it. */
  hold(pair: number): void {
    const watched = this.#watched.get(pair);
    if (watched !== undefined && watched.holders++ === 0) watched.watcher.ref();
  }

  release(pair: number): void {
    const watched = this.#watched.get(pair);
    if (watched !== undefined && --watched.holders === 0) watched.watcher.unref();
  }

  /**
   * Blocks this thread until there was an interrupt of one of the queue pairs.
   * @param timeout milliseconds; Infinity: no limit
   * @returns false when time was over
   */
  wait(pairs: readonly number[], timeout: number): boolean {
    if (this.#closed) return false;
    const interrupted = waitReadable(
      pairs.map((pair) => this.fd(pair)),
      timeout === Infinity ? -1 : timeout,
    );
    for (const pair of pairs) {
      if (this.#calls[pair].drain()) this.#rx[pair].stats.countCall();
    }
    return interrupted;
  }

  /** Before the eventfds are closed. */
  close(): void {
    this.#closed = true;
    for (const { watcher } of this.#watched.values()) watcher.close();
    this.#watched.clear();
  }

  #watch(pair: number): Watched {
    let watched = this.#watched.get(pair);
    if (watched === undefined) {
      const listeners = new Set<() => void>();
      const call = this.#calls[pair];
      const watcher = new FdWatcher(call.fd, { readable: true }, () => {
        if (call.drain()) this.#rx[pair].stats.countCall();
        for (const listener of Array.from(listeners)) callApplication(listener);
      });
      watcher.unref();
      watched = { watcher, listeners, holders: 0 };
      this.#watched.set(pair, watched);
    }
    return watched;
  }
}
