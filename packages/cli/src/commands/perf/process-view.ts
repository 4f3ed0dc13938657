import { readFileSync, readdirSync } from 'node:fs';

/** What the kernel says of a process at one moment. */
export interface ProcessView {
  /** CPU that its thread is on, or was last. */
  readonly cpu: number;
  /** Nanoseconds that its thread has run, and has waited for a CPU. */
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

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/**
 * The thread of a process that has run most: its packets are moved there. It is the main one where nothing is to be seen.
 * @param processes where the kernel tells of them
 */
export function busiestThread(pid: number, processes = '/proc'): number {
  let busiest = { thread: pid, ran: -1 };
  for (const name of list(`${processes}/${pid}/task`)) {
    const ran = Number(read(`${processes}/${pid}/task/${name}/schedstat`).split(' ')[0]);
    if (ran > busiest.ran) busiest = { thread: Number(name), ran };
  }
  return busiest.thread;
}

/** @returns undefined when there is no such process, or it is not to be seen from here */
export function viewProcess(pid: number, thread = pid): ProcessView | undefined {
  const stat = read(`/proc/${pid}/task/${thread}/stat`);
  // The name stands in parentheses, and may have any in it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const cpu = Number(fields[36]);
  if (stat === '' || !Number.isInteger(cpu)) return undefined;
  const [ran = 0, waited = 0] = read(`/proc/${pid}/task/${thread}/schedstat`).split(' ').map(Number);
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
  /** CPUs that share its last-level cache, the third, in the same words; undefined: the machine does not say. */
  readonly cache: string | undefined;
  /** Number of its socket. */
  readonly package: string;
}

/** @param cpus where the kernel tells of them */
export function cpuPlace(cpu: number, cpus = '/sys/devices/system/cpu'): CpuPlace {
  const own = `${cpus}/cpu${cpu}`;
  const cache = read(`${own}/cache/index3/shared_cpu_list`).trim();
  return {
    siblings: read(`${own}/topology/thread_siblings_list`).trim() || String(cpu),
    cache: cache === '' ? undefined : cache,
    package: read(`${own}/topology/physical_package_id`).trim() || '0',
  };
}
