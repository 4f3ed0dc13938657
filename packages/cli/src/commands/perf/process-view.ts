import { readFileSync } from 'node:fs';

/** What the kernel says of a process at one moment. */
export interface ProcessView {
  /** CPU that its main thread is on, or was last. */
  readonly cpu: number;
  /** Nanoseconds that its main thread has run, and has waited for a CPU. */
  readonly ran: number;
  readonly waited: number;
  /** Times that its control group was held up for having used its share, and microseconds. */
  readonly throttled: number;
  readonly throttledTime: number;
}

/** What it says of its shared packet memory. */
export interface PacketMemory {
  readonly bytes: number;
  /** Of a page. */
  readonly pageBytes: number;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** @returns undefined when there is no such process, or it is not to be seen from here */
export function viewProcess(pid: number): ProcessView | undefined {
  const stat = read(`/proc/${pid}/task/${pid}/stat`);
  // The name stands in parentheses, and may have any in it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const cpu = Number(fields[36]);
  if (stat === '' || !Number.isInteger(cpu)) return undefined;
  const [ran = 0, waited = 0] = read(`/proc/${pid}/task/${pid}/schedstat`).split(' ').map(Number);
  const group = /^0::(.*)$/m.exec(read(`/proc/${pid}/cgroup`))?.[1] ?? '/';
  const share = read(`/sys/fs/cgroup${group}/cpu.stat`);
  const counted = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(share)?.[1] ?? 0);
  return { cpu, ran, waited, throttled: counted('nr_throttled'), throttledTime: counted('throttled_usec') };
}

/** The memory of ports: files that only exist as descriptors, and are mapped shared. */
export function packetMemory(pid: number, maps = read(`/proc/${pid}/smaps`)): PacketMemory | undefined {
  let largest: PacketMemory | undefined;
  for (const mapping of maps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    if (!/^\S+ \S+s \S+ \S+ \d+ +\/(?:memfd:|dev\/hugepages)/.test(mapping)) continue;
    const bytes = 1024 * Number(/^Size: +(\d+)/m.exec(mapping)?.[1] ?? 0);
    const pageBytes = 1024 * Number(/^KernelPageSize: +(\d+)/m.exec(mapping)?.[1] ?? 4);
    if (bytes > (largest?.bytes ?? 0)) largest = { bytes, pageBytes };
  }
  return largest;
}

/** Where a CPU is. */
export interface CpuPlace {
  /** CPUs of the same core, itself among them, as in `0,4`. */
  readonly siblings: string;
  readonly package: string;
}

export function cpuPlace(cpu: number): CpuPlace {
  const topology = `/sys/devices/system/cpu/cpu${cpu}/topology`;
  return {
    siblings: read(`${topology}/thread_siblings_list`).trim() || String(cpu),
    package: read(`${topology}/physical_package_id`).trim() || '0',
  };
}
