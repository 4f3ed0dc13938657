/** What a poll loop found, burst by burst. */
export interface Polls {
  readonly all: number;
  /** Nothing came, or nothing found room: the other side is the limit. */
  readonly empty: number;
  /** A whole burst: our side is the limit. */
  readonly full: number;
}

/** Counts the polls of this process's loops. */
export class PollCounter {
  #all = 0;
  #empty = 0;
  #full = 0;
  readonly #burst: number;

  /** @param burst frames of a full burst */
  constructor(burst: number) {
    this.#burst = burst;
  }

  /** @returns the number of frames, as it was given */
  note(frames: number): number {
    this.#all++;
    if (frames === 0) this.#empty++;
    else if (frames >= this.#burst) this.#full++;
    return frames;
  }

  /** @returns what was counted since the last time */
  take(): Polls {
    const polls = { all: this.#all, empty: this.#empty, full: this.#full };
    this.#all = this.#empty = this.#full = 0;
    return polls;
  }
}
