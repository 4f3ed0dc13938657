/** What a fuzzer found, and what it went through. */
export interface Fuzzed {
  /** Each with the state it happened in; empty: nothing is wrong. */
  readonly findings: readonly string[];
  /** States it went through. */
  readonly states: number;
  /** How often something was seen, which tells how far the fuzzer got. */
  readonly seen: Readonly<Record<string, number>>;
}

/** Frames of a stack: refusals are errors, and most of what one costs is its stack. */
const frames = 2;
/** More of them say nothing new. */
const mostFindings = 5;

/** The states of a fuzzer, one after the other, until there are enough of them or of findings; `result` ends it. */
export class FuzzLog {
  /** States so far; the one under way has this number. */
  states = 0;
  readonly #wanted: number;
  readonly #findings: string[] = [];
  readonly #seen: Record<string, number> = {};
  readonly #usualFrames = Error.stackTraceLimit;

  constructor(wanted: number) {
    this.#wanted = wanted;
    Error.stackTraceLimit = frames;
  }

  /** There are states left, and few enough findings. */
  get open(): boolean {
    return this.states < this.#wanted && this.#findings.length < mostFindings;
  }

  /** Notes that something was seen. @param times how often */
  saw(what: string, times = 1): void {
    this.#seen[what] = (this.#seen[what] ?? 0) + times;
  }

  /** Notes that something is wrong in the state under way. */
  found(what: string): void {
    this.#findings.push(`state ${this.states}: ${what}`);
  }

  /** Runs one state. It answers what is wrong, or undefined; that it throws is wrong as well. */
  state(run: () => string | undefined): void {
    try {
      const wrong = run();
      if (wrong !== undefined) this.found(wrong);
    } catch (error) {
      this.found(`it threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
    this.states++;
  }

  /** Ends the run. @returns what it found */
  result(): Fuzzed {
    Error.stackTraceLimit = this.#usualFrames;
    return { findings: this.#findings, states: this.states, seen: this.#seen };
  }
}
