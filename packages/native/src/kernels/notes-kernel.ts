/** Rings that describe copies. Descriptors and copies are numbered modulo 2^30; the entry of one is its number modulo the ring's size. */
export interface NotedRings {
  /** Two int32 for each of a power of two of descriptors: number of the first copy, how many. */
  readonly descriptors: Int32Array;
  /** Three int32 for each of a power of two of copies: source offset, destination offset, `noteWord`. */
  readonly copies: Int32Array;
}

/** Where a kernel keeps the chains that it took, until they are used: arrays by chain, of one length. */
export interface KeptChains {
  /** Split: head descriptor index; packed: buffer id. */
  readonly id: Int32Array;
  /** Byte offset in the window, behind the prefix. */
  readonly offset: Int32Array;
  /** Bytes behind the prefix. */
  readonly length: Int32Array;
  /** What will have been written, in bytes, prefix included. */
  readonly written: Int32Array;
}

/**
 * Fetches chains of one descriptor in one window of the driver's memory for a burst, and notes the copies in rings of transfers, in one
 * call: whoever makes them does so later. Descriptors are read once and checked; a chain of any other kind ends the run.
 */
export interface NotesKernel {
  /** The words of the job, by `notesJob`. */
  readonly job: Int32Array;
  /**
   * Does the job. Local buffers are given as `offsets`; a writable ring gets `lengths` bytes each, from another one `lengths` tells
   * how many will come.
   * @returns packets whose descriptors are there; -1 when the job names what is not, and nothing was done
   */
  run(): number;
  /** Makes known where chains may be kept. @returns what `slot` of a job calls it */
  bind(kept: KeptChains): number;
  /** Forgets that. */
  unbind(slot: number): void;
}
