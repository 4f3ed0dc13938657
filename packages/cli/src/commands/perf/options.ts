/** What `vio perf` was asked for. */
export interface PerfOptions {
  /** Seconds. */
  readonly duration: number;
  readonly json?: true;
}
