import { ticks } from './ticks.ts';

/** Something that is polled while it is awake. */
export interface Polled {
  /** Takes what has come in. @returns how many frames; @param now ticks */
  poll(now: number): number;
  /** Asks to be woken (`Rounds.wake`). @returns true if there is something: it stays awake */
  sleep(): boolean;
  /** For the rounds: how often in a row there was nothing; -1: it sleeps. */
  idle: number;
}

/** Rounds that find nothing before somebody goes to sleep. */
const patience = 32;
/** Rounds before the event loop gets its turn, while there is something to do. */
const roundsPerTurn = 8;

/**
 * Polls whoever is awake, round after round, and lets the event loop have its turn in between. Who had nothing for a while goes
 * to sleep until it is woken: a thousand ports that are silent cost nothing, and when all sleep, nothing runs at all.
 */
export class Rounds {
  /** The first `#count` are awake. */
  readonly #awake: (Polled | undefined)[] = [];
  #count = 0;
  #next: NodeJS.Immediate | undefined;
  #held = false;
  readonly #turn = (): void => this.#run();

  /** How many are awake. */
  get awake(): number {
    return this.#count;
  }

  wake(polled: Polled): void {
    if (polled.idle !== -1) return;
    polled.idle = 0;
    this.#awake[this.#count++] = polled;
    this.#schedule();
  }

  /** It is not polled any more. */
  remove(polled: Polled): void {
    if (polled.idle === -1) return;
    const at = this.#awake.indexOf(polled);
    if (at !== -1) this.#dismiss(at);
    polled.idle = -1;
  }

  /** Nobody is polled until `go`. */
  hold(): void {
    this.#held = true;
    if (this.#next !== undefined) clearImmediate(this.#next);
    this.#next = undefined;
  }

  go(): void {
    this.#held = false;
    this.#schedule();
  }

  get held(): boolean {
    return this.#held;
  }

  #schedule(): void {
    if (this.#held || this.#count === 0) return;
    this.#next ??= setImmediate(this.#turn);
  }

  #run(): void {
    this.#next = undefined;
    const now = ticks();
    let moved = 1;
    for (let round = 0; round < roundsPerTurn && moved > 0; round++) {
      moved = 0;
      // From the end on: who goes to sleep is replaced by one that had its turn.
      for (let at = this.#count - 1; at >= 0; at--) {
        const polled = this.#awake[at];
        if (polled === undefined) continue;
        const frames = polled.poll(now);
        moved += frames;
        if (frames > 0) polled.idle = 0;
        else if (polled.idle !== -1 && ++polled.idle >= patience) this.#rest(polled, at);
      }
    }
    this.#schedule();
  }

  #rest(polled: Polled, at: number): void {
    if (this.#awake[at] !== polled) return;
    if (polled.sleep()) {
      polled.idle = 0;
      return;
    }
    this.#dismiss(at);
    polled.idle = -1;
  }

  #dismiss(at: number): void {
    const last = --this.#count;
    this.#awake[at] = this.#awake[last];
    this.#awake[last] = undefined;
  }
}
