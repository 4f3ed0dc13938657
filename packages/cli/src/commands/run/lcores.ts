import { cpuAffinity, setCpuAffinity } from '@vio/native';

/** Those of the list that there are, in its order. */
function available(lcores: readonly number[]): number[] {
  const there = cpuAffinity();
  return lcores.filter((cpu) => there.includes(cpu));
}

/** Runs this thread, and those that it starts, on those CPUs of the list that there are. */
export function runOn(lcores: readonly number[]): void {
  const cpus = available(lcores);
  if (cpus.length > 0) setCpuAffinity(cpus);
}

/**
 * A CPU for each thread that forwards. As in DPDK the first of the list is left to whoever commands them, if there are enough.
 * @returns where they run, in turn; none: nobody has said
 */
export function threadCpus(lcores: readonly number[] | undefined, threads: number): number[] {
  const cpus = lcores === undefined ? [] : available(lcores);
  return cpus.length > threads ? cpus.slice(1) : cpus;
}
