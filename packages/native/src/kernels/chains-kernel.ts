/**
 * Takes a burst off a ring in one call, as `SinglesKernel` does, and chains of any kind: several descriptors, indirect tables, any
 * windows of the driver's memory. A chain, or a packet, that is not for it ends the burst.
 */
export interface ChainsKernel {
  /** The words of the job, by `chainsJob`. */
  readonly job: Int32Array;
  /**
   * Does the job. A ring that is read gives every packet one local buffer, at `offsets`, and `lengths` says how many bytes came; for
   * a writable one packets are made of `pieces` local pieces each. When `unknown` is not -1 afterwards, it goes on once that window
   * has a handle.
   * @returns packets moved; -1 when the job names memory that is not registered, and nothing was done
   */
  run(): number;
}

/** The windows of a driver's memory, in ascending order. */
export interface KernelWindows {
  /** Guest address of each. */
  readonly guestBase: Float64Array;
  /** Bytes of each. */
  readonly size: Int32Array;
  /** What the engine calls each; -1: it does not know it yet. */
  readonly handles: Int32Array;
}
