/** Of a CPU, 0 to 1: what each of the two processes had while something was measured. */
export interface CpuShares {
  readonly port: number;
  readonly backend: number;
}
/** Begins to watch this process and the backend's. @returns a function that ends it */
export declare function watchCpu(backend: number): () => CpuShares;
/** @returns what stood in the way of better numbers, as a sentence; null when nothing did */
export declare function contention({ port, backend }: CpuShares, cpus?: number): string | null;
//# sourceMappingURL=contention.d.ts.map
