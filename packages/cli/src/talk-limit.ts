/** Messages that may come at once, and in a second from then on. */
const mostAtOnce = 64;
const perSecond = 10;

/** Keeps a log from being filled with what somebody else can have said as often as he likes. */
export class TalkLimit {
  #left = mostAtOnce;
  #at = 0;
  #unsaid = 0;

  /**
   * Asks whether one more message may be said.
   * @param now milliseconds, of a clock that only grows
   * @returns how many were left out before it; undefined: it is left out as well
   */
  admit(now = performance.now()): number | undefined {
    this.#left = Math.min(mostAtOnce, this.#left + (perSecond * (now - this.#at)) / 1000);
    this.#at = now;
    if (this.#left < 1) {
      this.#unsaid++;
      return undefined;
    }
    this.#left--;
    const unsaid = this.#unsaid;
    this.#unsaid = 0;
    return unsaid;
  }
}
