/** Calls a listener after every kick of the driver. @returns ends it */
export type OnKick = (listener: () => void) => () => void;

/** Looks at a queue when its driver kicks, from the event loop, and sleeps in between. */
export class KickLoop {
  readonly #look: () => boolean;
  readonly #endKicks: () => void;
  #again: NodeJS.Immediate | undefined;

  /** @param look serves what is there and arms the kick; true: more is there already. Never called before this returns */
  constructor(onKick: OnKick, look: () => boolean) {
    this.#look = look;
    this.#endKicks = onKick(() => this.#serve());
    // Something may be waiting already, and kicks for it were meant for nobody.
    this.#soon();
  }

  /** Nothing is looked at any more. */
  stop(): void {
    this.#endKicks();
    if (this.#again !== undefined) clearImmediate(this.#again);
  }

  /** Looks soon, without a kick. */
  lookAgain(): void {
    this.#soon();
  }

  #serve(): void {
    // A driver that is faster than us does not keep the others waiting.
    if (this.#look()) this.#soon();
  }

  #soon(): void {
    this.#again ??= setImmediate(() => {
      this.#again = undefined;
      this.#serve();
    });
  }
}
