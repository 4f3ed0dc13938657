import type { EventFd } from '@vio/native';
import { EventWait, EventWatcher, callApplication } from '@vio/native/internal';
import type { RxQueue } from '../queue/rx-queue.ts';

interface Watched {
  readonly pair: number;
  readonly watcher: EventWatcher;
  /** Its sleeper was told of an interrupt, and nobody has taken that. */
  left: boolean;
  /** Of this package: it does not throw, and is told first. */
  sleeper: (() => void) | undefined;
  /** What is done behind that which the sleeper does at once. */
  rest: (() => void) | undefined;
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
  /** The same, for whoever is on the way to a packet: to go through a map makes objects. */
  readonly #all: Watched[] = [];
  /** Of a thread that blocks: what it waits with, and for which pairs. */
  #wait: EventWait | undefined;
  #waitedFor: readonly number[] = [];
  /** The eventfds are known outside, where somebody may wait for them. */
  #seen = false;
  readonly #told = Promise.resolve();
  /** One of the watched has an interrupt left. */
  #left = false;
  #closed = false;

  constructor(rx: readonly RxQueue[], calls: readonly EventFd[]) {
    this.#rx = rx;
    this.#calls = calls;
  }

  fd(pair: number): number {
    this.#seen = true;
    this.settle();
    // Whoever gets it may read it, and is not to block.
    this.#wait?.close();
    this.#wait = undefined;
    this.#mayBeLate();
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
    this.#mayBeLate();
    this.hold(pair);
    return () => {
      if (!listeners.delete(listener)) return;
      this.#mayBeLate();
      this.release(pair);
    };
  }

  /**
   * Tells one sleeper after every interrupt; the process stays for it only while somebody holds the pair. When he is the only one
   * who hears of it, the interrupt is taken after what he does at once.
   * @param rest is called behind what he does at once
   * @returns ends it; the close of the port does so as well
   */
  listenQuietly(pair: number, sleeper: () => void, rest: () => void): () => void {
    if (this.#closed) return () => {};
    const watched = this.#watch(pair);
    watched.sleeper = sleeper;
    watched.rest = rest;
    this.#mayBeLate();
    return () => {
      if (watched.sleeper !== sleeper) return;
      watched.sleeper = undefined;
      watched.rest = undefined;
      this.#mayBeLate();
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
    const shared = this.#seen || this.#watched.size > 0;
    const interrupted = shared || timeout !== Infinity ? wait.wait(timeout) : wait.waitAlone();
    for (let i = 0; i < pairs.length; i++) if (wait.signalled[i] !== 0) this.#rx[pairs[i]].stats.countCall();
    // Whoever else looks at the eventfds must not hear of it again.
    if (shared) wait.take();
    return interrupted;
  }

  /**
   * Takes the interrupts that somebody was told of and that were left, because to take them is not on the way to a packet. Before
   * the device is asked for the next one, which would be taken with them.
   */
  settle(): void {
    this.#wait?.take();
    if (!this.#left) return;
    this.#left = false;
    for (let i = 0; i < this.#all.length; i++) {
      const watched = this.#all[i];
      if (watched.left) this.#calls[watched.pair].drain();
      watched.left = false;
    }
  }

  /** Runs something of this package behind what those do at once who were told before. */
  behind(work: () => void): void {
    void this.#told.then(work);
  }

  /** An interrupt is left for its sleeper where nobody else can hear of it: twice, that would be. */
  #mayBeLate(): void {
    const alone = !this.#seen && this.#wait === undefined;
    for (const { watcher, sleeper, listeners } of this.#watched.values())
      watcher.late = alone && sleeper !== undefined && listeners.size === 0;
  }

  /** Whoever blocks does so for the same pairs again and again. */
  #bind(pairs: readonly number[]): EventWait {
    this.#wait?.close();
    this.#wait = undefined;
    this.#waitedFor = [...pairs];
    this.#wait = new EventWait(pairs.map((pair) => this.#calls[pair]));
    this.#mayBeLate();
    return this.#wait;
  }

  /** Before the eventfds are closed. */
  close(): void {
    this.#closed = true;
    this.#wait?.close();
    for (const { watcher } of this.#watched.values()) watcher.close();
    this.#watched.clear();
    this.#all.length = 0;
  }

  #watch(pair: number): Watched {
    let watched = this.#watched.get(pair);
    if (watched === undefined) {
      this.settle();
      const rx = this.#rx[pair];
      const behind = (): void => {
        made.rest?.();
        this.settle();
      };
      const made: Watched = {
        pair,
        watcher: new EventWatcher(this.#calls[pair], (signalled) => {
          if (signalled) rx.stats.countCall();
          const late = made.watcher.late;
          if (late) this.#left = made.left = true;
          made.sleeper?.();
          if (late) return this.behind(behind);
          if (made.rest !== undefined) this.behind(made.rest);
          if (made.listeners.size === 0) return;
          for (const listener of Array.from(made.listeners)) callApplication(listener);
        }),
        left: false,
        sleeper: undefined,
        rest: undefined,
        listeners: new Set(),
        holders: 0,
      };
      watched = made;
      this.#watched.set(pair, watched);
      this.#all.push(watched);
    }
    return watched;
  }
}

function isSame(one: readonly number[], other: readonly number[]): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}
