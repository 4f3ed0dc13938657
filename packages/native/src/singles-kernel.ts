/** Most packets of one run. */
export const singlesPerRun = 64;

/**
 * The words of a job. Handles are those of the copy engine, offsets and lengths are bytes. `offsets` and `lengths` are
 * where the packets' own words begin, `singlesPerRun` each.
 */
export const singlesJob = {
  /** The ring: 1 packed or 0 split; 1 when the device writes the buffers; 1 with IN_ORDER; descriptors. */
  packed: 0,
  writable: 1,
  inOrder: 2,
  size: 3,
  /** Where its parts are: handle and offset each. A packed ring has only the first. */
  table: 4,
  tableAt: 5,
  avail: 6,
  availAt: 7,
  used: 8,
  usedAt: 9,
  /** Next available and next used position, a packed ring's with wrap counters; chains that may still be taken. */
  next: 10,
  nextWrap: 11,
  done: 12,
  doneWrap: 13,
  room: 14,
  /** The window of the driver's memory: handle and offset, guest address in halves, bytes. */
  data: 15,
  dataAt: 16,
  low: 17,
  high: 18,
  bytes: 19,
  /** Bytes of the header in front of each packet; the longest packet to take; the handle of local memory. */
  prefix: 20,
  most: 21,
  local: 22,
  /** Packets wanted. Set by the run: 1 when it stopped at a chain that is not of this kind. */
  count: 23,
  blocked: 24,
  offsets: 32,
  lengths: 32 + singlesPerRun,
} as const;

export const singlesJobWords = singlesJob.lengths + singlesPerRun;

/**
 * Takes a burst off a ring in one call: fetches chains of one descriptor in one window of the driver's memory, copies
 * what they carry from (or, `writable`, to) local buffers, and marks them used, with one release store at the end.
 * Descriptors are read once and checked; a chain of any other kind ends the burst.
 */
export interface SinglesKernel {
  readonly job: Int32Array;
  /**
   * Does the job. Local buffers are given as `offsets`; a writable ring gets `lengths` bytes each, from another one
   * `lengths` tells how many came.
   * @returns packets moved; -1 when the job names memory that is not registered, and nothing was done
   */
  run(): number;
}
