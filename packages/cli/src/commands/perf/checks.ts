import type { PortActivity } from '../top/activity.ts';
import { type Finding, note, ok } from '../doctor/finding.ts';
import type { CpuPlace, PacketMemory, ProcessView } from './process-view.ts';

/** A program between the first and the last look. */
export interface WatchedProgram {
  readonly pid: number;
  /** As in `run 4711`. */
  readonly name: string;
  /** From the first to the last; empty: it cannot be seen from here. */
  readonly views: readonly ProcessView[];
  readonly memory: PacketMemory | undefined;
}

/** Packets per second from which it matters how they are moved. */
const busy = 1000;
/** Of the time that a thread may wait for a CPU before it is worth a word. */
const waitingShare = 0.05;
const smallBatch = 4;
const kicksPerPacket = 0.1;

/** What the time of a program says. @param seconds between the first and the last view */
export function checkProgram({ name, views, memory }: WatchedProgram, seconds: number): Finding[] {
  const first = views.at(0);
  const last = views.at(-1);
  if (first === undefined || last === undefined)
    return [note(`${name}: cpu`, 'its process cannot be seen from here', 'run vio perf where it runs')];
  const share = (last.waited - first.waited) / 1e9 / seconds;
  const held = last.throttled - first.throttled;
  const milliseconds = (last.throttledTime - first.throttledTime) / 1000;
  return [
    share > waitingShare
      ? note(
          `${name}: waiting`,
          `it waited for a CPU ${percent(share)} of the time: others run there`,
          'give it a CPU of its own (taskset -c N, or cpusets), or end what runs beside it',
        )
      : ok(`${name}: waiting`, `it waited for a CPU ${percent(share)} of the time`),
    ...(held > 0
      ? [
          note(
            `${name}: throttled`,
            `its control group was held up ${held} times, for ${milliseconds.toFixed(0)} ms in ${seconds.toFixed(1)} s`,
            'raise or take away its CPU limit (docker --cpus, limits.cpu of a pod, CPUQuota=)',
          ),
        ]
      : [ok(`${name}: throttled`, 'its control group was not held up')]),
    ...(memory === undefined ? [] : [checkPages(name, memory)]),
  ];
}

function checkPages(name: string, { bytes, pageBytes }: PacketMemory): Finding {
  const text = `${(bytes / 2 ** 20).toFixed(1)} MiB of packet memory in pages of ${pageBytes / 1024} KiB`;
  if (pageBytes > 4096) return ok(`${name}: pages`, text);
  return note(
    `${name}: pages`,
    text,
    'larger pages cost fewer TLB misses, and a port takes them by itself where some are free: sysctl vm.nr_hugepages=N',
  );
}

/** How far from each other two CPUs are, from nearest to farthest. */
const distances = ['cpu', 'core', 'cache', 'socket', 'sockets'] as const;
type Distance = (typeof distances)[number];

/** What two threads on such CPUs share is named by the nearest; `sockets`: nothing. A machine that tells of no cache has one for each socket. */
function distance(x: number, y: number, place: (cpu: number) => CpuPlace): Distance {
  if (x === y) return 'cpu';
  const [a, b] = [place(x), place(y)];
  if (a.siblings === b.siblings) return 'core';
  if (a.package !== b.package) return 'sockets';
  return a.cache === b.cache ? 'cache' : 'socket';
}

/** How two programs that serve each other lie: one after the other's views were taken at the same moments. */
export function checkPlaces(
  a: WatchedProgram,
  b: WatchedProgram,
  place: (cpu: number) => CpuPlace,
): Finding[] {
  const looks = Math.min(a.views.length, b.views.length);
  if (looks === 0) return [];
  const check = `${a.name} and ${b.name}`;
  const seen = new Map<Distance, number>(distances.map((each) => [each, 0]));
  for (let i = 0; i < looks; i++) {
    const each = distance(a.views[i].cpu, b.views[i].cpu, place);
    seen.set(each, (seen.get(each) ?? 0) + 1);
  }
  const count = (each: Distance): number => seen.get(each) ?? 0;
  const often = distances.find((each) => 2 * count(each) > looks);
  const times = (each: Distance): string => `in ${count(each)} of ${looks} looks`;
  const apart = `pin them to CPUs of their own: taskset -pc 0 ${a.pid}; taskset -pc 1 ${b.pid}`;
  switch (often) {
    case 'cpu':
      return [note(check, `they shared a CPU ${times('cpu')}: while one polls, the other waits`, apart)];
    case 'core':
      return [note(check, `they shared a core ${times('core')}, as its two threads`, apart)];
    case 'socket':
      return [
        note(
          check,
          `they shared no L3 cache ${times('socket')}: every cache line goes between two of them`,
          'pin both to CPUs of one L3 cache: taskset -c, as cache/index3/shared_cpu_list of a CPU in /sys names them',
        ),
      ];
    case 'sockets':
      return [
        note(
          check,
          `they were on different sockets ${times('sockets')}: every cache line goes between them`,
          'pin both to one socket: taskset -c, or numactl --cpunodebind',
        ),
      ];
    default: {
      const own = looks - count('cpu');
      const near = place(a.views[0].cpu).cache === undefined ? '' : `, with one L3 cache ${times('cache')}`;
      return [ok(check, `they were on CPUs of their own in ${own} of ${looks} looks${near}`)];
    }
  }
}

/** How a port moves its packets. */
export function checkTraffic({ program, name, rx, tx, batch, kicks, drops }: PortActivity): Finding[] {
  const where = `${program} ${name}`;
  const pps = Math.max(rx.pps, tx.pps);
  if (pps < busy) return [ok(where, `${pps.toFixed(0)} packets per second: too few to say more`)];
  const findings: Finding[] = [];
  if (batch !== undefined) {
    const text = `${batch.toFixed(1)} packets at a time`;
    findings.push(
      batch < smallBatch
        ? note(
            `${where}: bursts`,
            text,
            'what costs per burst is paid per packet: poll less often, or send more at once',
          )
        : ok(`${where}: bursts`, text),
    );
  }
  const each = kicks / pps;
  const text = `${each.toFixed(3)} kicks per packet, each a system call`;
  findings.push(
    each > kicksPerPacket
      ? note(
          `${where}: kicks`,
          text,
          'let the other side poll (it then asks for none), negotiate EVENT_IDX, or send larger bursts',
        )
      : ok(`${where}: kicks`, text),
  );
  for (const { reason, perSecond } of drops) {
    if (perSecond === 0) continue;
    findings.push(
      note(
        `${where}: drops`,
        `${perSecond.toFixed(0)} packets per second are dropped (${reason}), ${percent(perSecond / pps)} of what passes`,
        'no_room: larger rings (queue_size) or more buffers; length and oversize: mergeable buffers, or a smaller MTU',
      ),
    );
  }
  return findings;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
