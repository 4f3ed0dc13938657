import type { SavedChains } from '../device/saved-chains.ts';

/**
 * Notes down which chains a device has, in memory that outlives it. Every method leaves the memory in a state from
 * which a successor finds out exactly which chains were fetched and not used, whenever the device ends.
 *
 * `using` and `used` stand around the moment at which the queue shows used chains to its driver.
 */
export interface Journal {
  /** Chains `from` to `from + count - 1` were fetched, in this order. */
  fetched(id: Int32Array, slots: Int32Array, from: number, count: number): void;
  /** Chains `from` to `from + count - 1`, fetched last, were given back. */
  unfetched(id: Int32Array, slots: Int32Array, from: number, count: number): void;
  /** Chains `from` to `from + count - 1` are about to be shown as used. */
  using(id: Int32Array, slots: Int32Array, from: number, count: number): void;
  /** They were. */
  used(id: Int32Array, from: number, count: number): void;
}

/** A journal, and where its predecessor ended. */
export interface OpenedJournal {
  readonly journal: Journal;
  /** Where the queue goes on; see `DeviceQueueOptions`. */
  readonly base: number;
  /** Chains to be had again before others. */
  readonly saved: SavedChains;
}
