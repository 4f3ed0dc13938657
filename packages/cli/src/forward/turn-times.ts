/** Of so many times, in microseconds: none of them is further from the truth than a sixteenth. */
export interface TimePercentiles {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Parts of each power of two. */
const parts = 16;

/** Counts times by their size: 16 classes for each power of two of nanoseconds, up to 2.1 s. */
class TimeClasses {
  readonly #counts = new Uint32Array(32 * parts);
  #count = 0;
  #max = 0;

  add(milliseconds: number): void {
    const ns = Math.min(milliseconds * 1e6, 0x7fff_ffff) | parts;
    const power = 31 - Math.clz32(ns);
    this.#counts[power * parts + ((ns >>> (power - 4)) & (parts - 1))]++;
    this.#count++;
    if (milliseconds > this.#max) this.#max = milliseconds;
  }

  /** What was counted, which begins anew. */
  take(): TimePercentiles {
    const max = this.#max * 1000;
    const of = (share: number): number => Math.min(this.#atLeast(share * this.#count) / 1000, max);
    const seen = { count: this.#count, p50: of(0.5), p90: of(0.9), p99: of(0.99), max };
    this.#counts.fill(0);
    this.#count = 0;
    this.#max = 0;
    return seen;
  }

  /** Nanoseconds that so many of the times did not pass: the upper end of a class. */
  #atLeast(wanted: number): number {
    let sum = 0;
    for (let i = 0; i < this.#counts.length; i++) {
      sum += this.#counts[i];
      if (sum >= wanted && sum > 0) {
        const power = Math.floor(i / parts);
        return 2 ** power + (((i % parts) + 1) * 2 ** power) / parts;
      }
    }
    return 0;
  }
}

/** Of so many turns, one is timed to its end. */
const turnsPerWork = 8;

/**
 * How long the turns of a forwarder take, while somebody wants to know (`on`); else it costs one load a turn. No packet carries a
 * time, so this says how long packets waited for this program at most, and not how long they took.
 */
export class TurnTimes {
  #on = false;
  /** From the beginning of one turn to that of the next, while there is work. */
  readonly #wait = new TimeClasses();
  /** For moving what was there, in one turn of some. */
  readonly #work = new TimeClasses();
  /** Since one was timed to its end. */
  #turns = 0;
  /** When the turn before began; 0: it is not known, or nobody was waiting. */
  #began = 0;

  /** Whether somebody wants to know. */
  get on(): boolean {
    return this.#on;
  }

  set on(wanted: boolean) {
    this.#on = wanted;
    this.#began = 0;
  }

  /** Whether the end of this turn is wanted, too. */
  get workIsNext(): boolean {
    return this.#turns === turnsPerWork - 1;
  }

  /** A turn that moved packets, or none. @param began milliseconds @param ended milliseconds, where that is wanted */
  add(began: number, ended: number | undefined, moved: number): void {
    if (this.#began > 0 && moved > 0) this.#wait.add(began - this.#began);
    if (moved > 0 && ended !== undefined) this.#work.add(ended - began);
    this.#turns = (this.#turns + 1) & (turnsPerWork - 1);
    this.#began = began;
  }

  /** The program sleeps until there are packets: what comes then has not waited. */
  rest(): void {
    this.#began = 0;
  }

  /** What was measured since it was asked for last. */
  take(): { readonly wait: TimePercentiles; readonly work: TimePercentiles } {
    return { wait: this.#wait.take(), work: this.#work.take() };
  }
}
