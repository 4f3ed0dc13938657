import type { EventFd } from '@vio/native';
import { EventWait, EventWatcher, callApplication } from '@vio/native/internal';
import type { RxQueue } from '../queue/rx-queue.ts';

interface Watched {
  readonly watcher: EventWatcher;
  /** Of this package: it does not throw, and is told first. */
  sleeper: (() => void) | undefined;
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
  /** Of a thread that blocks: what it waits with, and for which pairs. */
  #wait: EventWait | undefined;
  #waitedFor: readonly number[] = [];
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

  /**
   * Tells one sleeper after every interrupt; the process stays for it only while somebody holds the pair.
   * @returns ends it; the close of the port does so as well
   */
  listenQuietly(pair: number, sleeper: () => void): () => void {
    if (this.#closed) return () => {};
    const watched = this.#watch(pair);
    watched.sleeper = sleeper;
    return () => {
      if (watched.sleeper === sleeper) watched.sleeper = undefined;
    };
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
    const wait = this.#wait === undefined || !isSame(pairs, this.#waitedFor) ? this.#bind(pairs) : this.#wait;
    const interrupted = wait.wait(timeout);
    for (let i = 0; i < pairs.length; i++) if (wait.signalled[i] !== 0) this.#rx[pairs[i]].stats.countCall();
    return interrupted;
  }

  /** Whoever blocks does so for the same pairs again and again. */
  #bind(pairs: readonly number[]): EventWait {
    this.#wait?.close();
    this.#wait = undefined;
    this.#waitedFor = [...pairs];
    return (this.#wait = new EventWait(pairs.map((pair) => this.#calls[pair])));
  }

  /** Before the eventfds are closed. */
  close(): void {
    this.#closed = true;
    this.#wait?.close();
    for (const { watcher } of this.#watched.values()) watcher.close();
    this.#watched.clear();
  }

  #watch(pair: number): Watched {
    let watched = this.#watched.get(pair);
    if (watched === undefined) {
      const rx = this.#rx[pair];
      const made: Watched = {
        watcher: new EventWatcher(this.#calls[pair], (signalled) => {
          if (signalled) rx.stats.countCall();
          made.sleeper?.();
          if (made.listeners.size === 0) return;
          for (const listener of Array.from(made.listeners)) callApplication(listener);
        }),
        sleeper: undefined,
        listeners: new Set(),
        holders: 0,
      };
      watched = made;
      this.#watched.set(pair, watched);
    }
    return watched;
  }
}

function isSame(one: readonly number[], other: readonly number[]): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}
