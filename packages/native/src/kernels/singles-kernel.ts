/**
 * Takes a burst off a ring in one call: fetches chains of one descriptor in one window of the driver's memory, copies
 * what they carry from (or, `writable`, to) local buffers, and marks them used, with one release store at the end.
 * Descriptors are read once and checked; a chain of any other kind ends the burst.
 */
export interface SinglesKernel {
  /** The words of the job, by `singlesJob`. */
  readonly job: Int32Array;
  /**
   * Does the job. Local buffers are given as `offsets`; a writable ring gets `lengths` bytes each, from another one
   * `lengths` tells how many came.
   * @returns packets moved; -1 when the job names memory that is not registered, and nothing was done
   */
  run(): number;
}
