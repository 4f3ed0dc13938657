import type { OptionNames } from '@vio/native/internal';
import type { PortCore } from './port-core.ts';
import type { RxCalls } from './rx-calls.ts';

/** What is waited for, and for how long. */
export interface UntilPacketsOptions {
  /** Queue pairs to wait for. Default: all of the port. */
  readonly queues?: readonly number[];
  /** Ends waiting when it aborts. */
  readonly signal?: AbortSignal;
}

/** What is waited for by a thread that blocks, and for how long. */
export interface UntilPacketsSyncOptions {
  /** Queue pairs to wait for. Default: all of the port. */
  readonly queues?: readonly number[];
  /** Milliseconds. Default: no limit. */
  readonly timeout?: number;
}

export const untilPacketsSyncNames: OptionNames<UntilPacketsSyncOptions> = { queues: true, timeout: true };

export const untilPacketsNames: OptionNames<UntilPacketsOptions> = { queues: true, signal: true };

/** What a port waits for packets with. */
export interface RxWait {
  readonly port: PortCore;
  readonly calls: RxCalls;
}

/**
 * Sleeps until a device has used receive buffers of one of the queue pairs, the link changes, or the signal aborts.
 * Interrupts are armed first and the rings looked at again after, so a packet that comes in between is not slept over;
 * they are off again afterwards.
 */
export async function untilPackets(
  { port, calls }: RxWait,
  pairs: readonly number[],
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    calls.settle();
    // Every queue is armed, whatever the ones before it say.
    const waiting = pairs.map((pair) => port.rx[pair].sleep());
    if (!waiting.includes(true) && signal?.aborted !== true)
      await interrupted({ port, calls }, pairs, signal);
  } finally {
    if (!port.closed) for (const pair of pairs) port.rx[pair].disarmInterrupt();
  }
}

/**
 * The sleep of one who waits for all queue pairs, again and again. What it listens with is made once: whoever is woken goes on
 * when all code before has run, and that is cold.
 */
export class RxSleep {
  readonly #port: PortCore;
  readonly #calls: RxCalls;
  readonly #pairs: readonly number[];
  #wake: (() => void) | undefined;
  #listening = false;
  #held = false;
  readonly #rest = (): void => {
    if (this.#wake === undefined) this.#hold(false);
  };

  constructor({ port, calls }: RxWait, pairs: readonly number[]) {
    this.#port = port;
    this.#calls = calls;
    this.#pairs = pairs;
  }

  /** Somebody sleeps: whoever else wants to has to listen by himself. */
  get taken(): boolean {
    return this.#wake !== undefined;
  }

  /** As `untilPackets`. */
  until(): Promise<void> {
    this.#calls.settle();
    let waiting = false;
    for (const pair of this.#pairs) if (this.#port.rx[pair].sleep()) waiting = true;
    if (waiting) {
      for (const pair of this.#pairs) this.#port.rx[pair].disarmInterrupt();
      return Promise.resolve();
    }
    if (!this.#listening) this.#listen();
    this.#hold(true);
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #listen(): void {
    this.#listening = true;
    const wake = (): void => this.#end();
    for (const pair of this.#pairs) this.#calls.listenQuietly(pair, wake, this.#rest);
    this.#port.on('link', () => {
      this.#end();
      this.#calls.behind(this.#rest);
    });
  }

  #end(): void {
    const wake = this.#wake;
    if (wake === undefined) return;
    this.#wake = undefined;
    if (!this.#port.closed) for (const pair of this.#pairs) this.#port.rx[pair].disarmInterrupt();
    wake();
  }

  /** While somebody sleeps, the process does not end by itself. */
  #hold(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    for (const pair of this.#pairs) {
      if (held) this.#calls.hold(pair);
      else this.#calls.release(pair);
    }
  }
}

/** Milliseconds between two waits up to which packets are taken to come one after the other, and for which they are then looked for. */
const busyGap = 0.05;
const patience = 0.02;

/**
 * The sleep of one who blocks his thread. Where packets come close behind each other it looks for the next one for a moment first:
 * that takes a microsecond, and to be woken tens of them.
 */
export class RxBlock {
  readonly #port: PortCore;
  readonly #calls: RxCalls;
  #lastWait = -Infinity;

  constructor({ port, calls }: RxWait) {
    this.#port = port;
    this.#calls = calls;
  }

  /**
   * As `untilPackets`, but blocks this thread.
   * @param timeout milliseconds; Infinity: no limit
   * @returns false when time was over
   */
  until(pairs: readonly number[], timeout: number): boolean {
    const { rx } = this.#port;
    const now = performance.now();
    const busy = now - this.#lastWait < busyGap;
    this.#lastWait = now;
    if (busy && timeout > patience && this.#looks(pairs, now + patience)) return true;
    this.#calls.settle();
    // Every queue is armed, whatever the ones before it say.
    let waiting = false;
    for (let i = 0; i < pairs.length; i++) if (rx[pairs[i]].sleep()) waiting = true;
    try {
      return waiting || this.#calls.wait(pairs, timeout);
    } finally {
      for (let i = 0; i < pairs.length; i++) rx[pairs[i]].disarmInterrupt();
    }
  }

  /** @returns true when there was something up to that time */
  #looks(pairs: readonly number[], end: number): boolean {
    const { rx } = this.#port;
    for (let i = 0; i < pairs.length; i++) rx[pairs[i]].fill();
    do {
      for (let i = 0; i < pairs.length; i++) {
        const queue = rx[pairs[i]];
        if (!queue.stopped && queue.queue.usedWaiting()) return true;
      }
    } while (performance.now() < end);
    return false;
  }
}

function interrupted(
  { port, calls }: RxWait,
  pairs: readonly number[],
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise<void>((resolve) => {
    const wake = (): void => {
      for (const end of listening) end();
      port.off('link', wake);
      signal?.removeEventListener('abort', wake);
      resolve();
    };
    const listening = pairs.map((pair) => calls.listen(pair, wake));
    port.on('link', wake);
    signal?.addEventListener('abort', wake, { once: true });
  });
}
