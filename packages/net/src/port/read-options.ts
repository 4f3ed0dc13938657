import type { OptionNames } from '@vio/native/internal';

/** What is read, and for how long. */
export interface ReadOptions {
  /** Queue pair, default 0. */
  readonly queue?: number;
  /** Ends reading when it aborts. */
  readonly signal?: AbortSignal;
}

export const readNames: OptionNames<ReadOptions> = { queue: true, signal: true };
