/**
 * Chains that a device had fetched and not completed when it ended, in the order it had fetched them. Parallel arrays
 * of `count` entries.
 */
export interface SavedChains {
  /** Chains. */
  readonly count: number;
  /** Split: the head descriptor's index; packed: the buffer id. */
  readonly id: Int32Array;
  /** Ring slots the chain occupies: 1 in a split ring. */
  readonly slots: Int32Array;
  /** Packed: where the chain's descriptors begin in `words`, four words each, as they stood in the ring. */
  readonly first: Int32Array;
  /** The descriptors of packed chains, four 32-bit words each. */
  readonly words: Int32Array;
}
