import type { WaitOptions } from '@vio/native';
import { abortedError, checkTimeout, defaultTimeout, longestTimer, timeoutError } from '@vio/native/internal';
import type { ExpectedReply, Message } from '../wire/index.ts';

/** A request as it goes out. Its descriptors stay the caller's and must be open until the promise settles. */
export interface Outgoing {
  /** For errors. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly fds: readonly number[];
}

/** What becomes of a request. Whatever comes after the first of them is without effect. */
export interface TurnOutcome {
  /** Reads the answer (undefined: none was awaited); throws if it is none. */
  deliver(answer: Message | undefined): void;
  fail(reason: unknown): void;
}

/** A request in line, until it is answered or given up. There are two dozen of them when a port is opened: each is one object. */
export class Turn {
  readonly outgoing: Outgoing;
  readonly awaited: ExpectedReply<unknown> | undefined;
  /** Some of its bytes may be sent. */
  begun = false;
  /** All bytes are sent. */
  sent = false;
  readonly #outcome: TurnOutcome;
  readonly #timeout: number;
  readonly #signal: AbortSignal | undefined;
  readonly #gaveUp: (turn: Turn, reason: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #onAbort: (() => void) | undefined;

  /**
   * @param gaveUp called when time or patience is over
   * @throws VioError VIO_ABORTED, VIO_OPTION_VALUE for a timeout that is no number
   */
  constructor(
    outgoing: Outgoing,
    awaited: ExpectedReply<unknown> | undefined,
    { timeout = defaultTimeout, signal }: WaitOptions,
    outcome: TurnOutcome,
    gaveUp: (turn: Turn, reason: unknown) => void,
  ) {
    this.outgoing = outgoing;
    this.awaited = awaited;
    this.#timeout = timeout;
    this.#signal = signal;
    this.#outcome = outcome;
    this.#gaveUp = gaveUp;
    checkTimeout(this.#what, timeout);
    if (signal === undefined) return;
    if (signal.aborted) throw abortedError(this.#what, signal.reason);
    this.#onAbort = () => this.#giveUp(abortedError(this.#what, signal.reason));
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  get #what(): string {
    return `vhost-user ${this.outgoing.name}`;
  }

  /** It is the first in line, now or still: its time runs. Before, it was that of others. */
  first(): void {
    if (this.#timer !== undefined || this.#timeout > longestTimer) return;
    this.#timer = setTimeout(() => this.#giveUp(timeoutError(this.#what, this.#timeout)), this.#timeout);
  }

  /** @param answer undefined: none was awaited @throws VioError if it is none */
  finish(answer: Message | undefined): void {
    this.#outcome.deliver(answer);
    this.#end();
  }

  fail(reason: unknown): void {
    this.#end();
    this.#outcome.fail(reason);
  }

  #giveUp(reason: unknown): void {
    this.#gaveUp(this, reason);
    this.fail(reason);
  }

  #end(): void {
    clearTimeout(this.#timer);
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}
