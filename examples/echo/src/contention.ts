// Why numbers may be poor: both sides poll, so each wants a CPU for itself.
import { readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';

/** Seconds of CPU that a process has had so far: fields 14 and 15 of its stat, in hundredths. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Of a CPU, 0 to 1: what each of the two processes had while something was measured. */
export interface CpuShares {
  readonly port: number;
  readonly backend: number;
}

/** Begins to watch this process and the backend's. @returns a function that ends it */
export function watchCpu(backend: number): () => CpuShares {
  const before = [cpuSeconds(process.pid), cpuSeconds(backend)];
  const begin = performance.now();
  return () => {
    const seconds = (performance.now() - begin) / 1000;
    const [port, other] = [cpuSeconds(process.pid) - before[0], cpuSeconds(backend) - before[1]];
    return { port: Math.min(1, port / seconds), backend: Math.min(1, other / seconds) };
  };
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** @returns what stood in the way of better numbers, as a sentence; undefined when nothing did */
export function contention({ port, backend }: CpuShares, cpus = availableParallelism()): string | undefined {
  if (cpus === 1) return 'There is one CPU for both sides: while one polls, the other waits. Give them two.';
  if (Math.min(port, backend) > 0.85) return undefined;
  return (
    `The numbers are poor because CPUs were busy: of one each, the port had ${percent(port)} and the backend ` +
    `${percent(backend)} (load ${loadavg()[0].toFixed(1)} on ${cpus} CPUs). Run it again when nothing else does.`
  );
}
