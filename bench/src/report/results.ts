import type { Comparison } from '../compare.ts';
import type { AsyncResult, AsyncShare } from '../solo/async.ts';
import type { Convenient } from '../solo/convenient.ts';
import type { Cost } from '../solo/cost.ts';
import type { FirstPacket } from '../solo/first-packet.ts';
import type { Latency } from '../solo/latency.ts';
import type { LogCost, Logged } from '../solo/log.ts';
import type { PageCost } from '../solo/page.ts';
import type { Reconnection } from '../solo/reconnect.ts';
import type { Scale } from '../solo/scale.ts';
import type { Steady } from '../solo/steady.ts';
import type { SwitchScale } from '../solo/switch-scale.ts';
import type { SwitchThreads } from '../solo/switch-threads.ts';
import type { Wake } from '../solo/wake.ts';
import type { Machine } from './machine.ts';
import { ratioTable, table } from './markdown.ts';

export interface Results {
  readonly machine: Machine;
  readonly comparisons: readonly Comparison[];
  readonly costs: readonly { readonly row: string; readonly length: number; readonly cost: Cost }[];
  readonly logs: readonly { readonly row: string; readonly length: number; readonly cost: LogCost }[];
  readonly asyncs: readonly AsyncResult[];
  readonly page: PageCost | undefined;
  readonly convenient: readonly Convenient[];
  readonly scales: readonly Scale[];
  readonly switchScales: readonly SwitchScale[];
  readonly switchThreads: readonly SwitchThreads[];
  readonly firstPackets: readonly FirstPacket[];
  readonly latencies: readonly Latency[];
  readonly wake: readonly Wake[];
  readonly reconnection: readonly Reconnection[];
  readonly steady: Steady | undefined;
}

/** All that was measured, as Markdown. */
export function resultsMarkdown(results: Results): string {
  return [
    results.machine.lines.join('\n'),
    ...comparisonParts(results.comparisons),
    ...costPart(results.costs),
    ...logPart(results.logs),
    ...asyncPart(results.asyncs),
    ...pagePart(results.page),
    ...convenientPart(results.convenient),
    ...scalePart(results.scales),
    ...switchPart(results.switchScales),
    ...threadsPart(results.switchThreads),
    ...firstPacketPart(results.firstPackets),
    ...latencyPart(results.latencies),
    ...wakePart(results.wake),
    ...reconnectionPart(results.reconnection),
    ...steadyPart(results.steady),
  ].join('\n\n');
}

function comparisonParts(comparisons: readonly Comparison[]): string[] {
  const cells = comparisons.flatMap((comparison) => comparison.cells);
  const parts: string[] = [];
  for (const side of ['frontend', 'backend'] as const) {
    const first = comparisons.find((comparison) => comparison.cells.some((cell) => cell.side === side));
    if (first === undefined) continue;
    parts.push(
      `### Our ${side} against DPDK's\n\nOurs / DPDK's, median of ratios (Mpps of ours / of DPDK's; pairs of windows; our polls that found nothing / a whole burst).`,
      ...(['near', 'middle', 'far'] as const).flatMap((distance) => {
        const ratios = ratioTable(cells, side, distance);
        return ratios === '' ? [] : [`CPUs ${distance}:\n\n${ratios}`];
      }),
      `Common peer, DPDK's ${side} and ours for the first row:`,
      `\`\`\`text\n${[first.commands.common, first.commands.dpdk, first.commands.ours].join('\n\n')}\n\`\`\``,
    );
  }
  return parts;
}

function costPart(costs: Results['costs']): string[] {
  if (costs.length === 0) return [];
  const rows = costs.map(({ row, length, cost }) => [
    row,
    String(length),
    ns(cost.portTransmit),
    ns(cost.portReceive),
    ns(cost.deviceReceive),
    ns(cost.deviceTransmit),
  ]);
  return [
    '### Cost per packet with no peer in the way\n\nNanoseconds; both sides take turns in one process.',
    table(['devargs', 'bytes', 'port Tx', 'port Rx', 'backend dequeue', 'backend enqueue'], rows),
  ];
}

function logPart(logs: Results['logs']): string[] {
  if (logs.length === 0) return [];
  const share = ({ off, on, ratio }: Logged): string => `**${ratio.toFixed(2)}** (${ns(on)} / ${ns(off)})`;
  return [
    '### A guest that is moved: our backend with a log, for without\n\nMedian of ratios of packets in the same time (nanoseconds per packet with the log / without).',
    table(
      ['devargs', 'bytes', 'backend dequeue', 'backend enqueue'],
      logs.map(({ row, length, cost }) => [row, String(length), share(cost.dequeue), share(cost.enqueue)]),
    ),
  ];
}

function asyncPart(asyncs: readonly AsyncResult[]): string[] {
  if (asyncs.length === 0) return [];
  const share = ({ alone, engine, ratio }: AsyncShare): string =>
    `**${ratio.toFixed(2)}** (${ns(engine)} / ${ns(alone)})`;
  return [
    "### Copies beside the thread: what a frame costs the thread that switches, with an engine, for without\n\nMedian of ratios (nanoseconds per frame with `CopyThread` / without). DPDK's backend copies itself.",
    table(
      ['bytes', 'frames', 'backend dequeue', 'backend enqueue', "DPDK's backend, enqueue"],
      asyncs.map(({ length, frames, cost, dpdk }) => [
        String(length),
        frames,
        share(cost.dequeue),
        share(cost.enqueue),
        dpdk === undefined ? '' : ns(dpdk),
      ]),
    ),
  ];
}

function pagePart(page: PageCost | undefined): string[] {
  if (page === undefined) return [];
  const { mpps, speed, cpu, cost, costRange } = page;
  const [least, most] = costRange.map((each) => each.toFixed(3));
  return [
    `### An open live page: a port of eight queue pairs with one, for without\n\nMedians of neighbouring windows. The CPU time's is between ${least} and ${most} in nineteen of twenty measurements.`,
    table(
      ['', 'with / without', 'with', 'without'],
      [
        ['Mpps', `**${speed.toFixed(3)}**`, mpps[1].toFixed(2), mpps[0].toFixed(2)],
        ['ns of CPU time per packet', `**${cost.toFixed(3)}**`, ns(cpu[1]), ns(cpu[0])],
      ],
    ),
  ];
}

function convenientPart(convenient: readonly Convenient[]): string[] {
  if (convenient.length === 0) return [];
  return [
    '### Without bursts, beside other ways in Node\n\nFrames of 64 bytes; both ends in one process. Rates are those of one core that does nothing else: by the CPU time of the process.',
    table(
      ['', 'million frames a second of CPU'],
      convenient.map(({ name, mpps }) => [name, mpps.toFixed(2)]),
    ),
  ];
}

function scalePart(scales: readonly Scale[]): string[] {
  if (scales.length === 0) return [];
  return [
    '### Many ports, many queue pairs\n\nPorts told to be small (rings of 32, 48 buffers a pair) and their devices, all in one process. Times and rates are those of its CPU time.',
    table(
      [
        'ports',
        'pairs of each',
        'ms of CPU to open each',
        'KiB each',
        'descriptors each',
        'idle, % of a CPU in all',
        'Mpps there and back in all',
      ],
      scales.map((scale) => [
        String(scale.ports),
        String(scale.queues),
        scale.openMilliseconds.toFixed(1),
        scale.kibibytes.toFixed(0),
        scale.descriptors.toFixed(1),
        scale.idlePercent.toFixed(2),
        scale.mpps.toFixed(1),
      ]),
    ),
  ];
}

function switchPart(scales: readonly SwitchScale[]): string[] {
  if (scales.length === 0) return [];
  return [
    '### A switch with many ports\n\nHosts (rings of 64) and the switch in one process; frames of 64 bytes from everybody to addresses of all others. Times are CPU time.',
    table(
      ['ports', 'addresses', 'of them known', 'ms to open a port', 'ns a frame, hosts included', '% flooded'],
      scales.map((scale) => [
        String(scale.ports),
        String(scale.addresses),
        String(scale.learned),
        scale.openMilliseconds.toFixed(1),
        scale.nanoseconds.toFixed(0),
        scale.floodedPercent.toFixed(2),
      ]),
    ),
  ];
}

function threadsPart(all: readonly SwitchThreads[]): string[] {
  if (all.length === 0) return [];
  return [
    `### A switch on one thread and on two\n\nTwo pairs of hosts in one process (rings of 1024), the switch in another; frames of 64 bytes as fast as it takes them. Load of the machine before: ${all[0].load.toFixed(1)}.`,
    table(
      ['', 'ns of CPU a frame', 'of them on the busiest thread', 'Mpps a core for each allows', 'Mpps here'],
      all.map(({ name, nanoseconds, busiest, limit, mpps }) => [
        name,
        nanoseconds.toFixed(0),
        busiest.toFixed(0),
        limit.toFixed(2),
        mpps.toFixed(2),
      ]),
    ),
  ];
}

function ns(value: number): string {
  return value.toFixed(1);
}

function firstPacketPart(first: readonly FirstPacket[]): string[] {
  if (first.length === 0) return [];
  return [
    '### From process start to the first packet at the backend',
    table(
      ['', 'median ms', 'best ms', 'command'],
      first.map(({ name, median, best, command }) => [
        name,
        median.toFixed(0),
        best.toFixed(0),
        `\`${command}\``,
      ]),
    ),
  ];
}

function latencyPart(latencies: readonly Latency[]): string[] {
  if (latencies.length === 0) return [];
  const rows = latencies
    .filter(({ name }) => name === 'ours')
    .map((ours) => {
      const { row, burst, load, mpps } = ours;
      const theirs = latencies.find(
        (other) => other.name === 'DPDK' && other.row === row && other.burst === burst && other.load === load,
      );
      const both = (one: number, other = NaN): string => `${one.toFixed(1)} / ${other.toFixed(1)}`;
      return [
        row,
        String(burst),
        `${load} % (${mpps.toFixed(2)})`,
        both(ours.p50, theirs?.p50),
        both(ours.p99, theirs?.p99),
        both(ours.p999, theirs?.p999),
      ];
    });
  return [
    "### There and back under load\n\nMicroseconds, ours / DPDK's, from the time a burst was due at the backend to the return of its last frame. Load: of the greatest rate of the slower of the two (million frames a second).",
    table(['devargs', 'frames of a burst', 'load', 'p50 µs', 'p99 µs', 'p99.9 µs'], rows),
  ];
}

function wakePart(wakes: readonly Wake[]): string[] {
  if (wakes.length === 0) return [];
  return [
    '### A sleeping port: from a packet on its ring to the answer',
    table(
      ['', 'p50 µs', 'p99 µs', 'p50 / the last', 'command'],
      wakes.map(({ name, p50, p99, toLast, command }) => [
        name,
        p50.toFixed(1),
        p99.toFixed(1),
        toLast.toFixed(3),
        `\`${command}\``,
      ]),
    ),
  ];
}

function reconnectionPart(returns: readonly Reconnection[]): string[] {
  if (returns.length === 0) return [];
  return [
    '### From the return of the backend to the first packet',
    table(
      ['', 'median ms', 'worst ms', 'command'],
      returns.map(({ name, median, worst, command }) => [
        name,
        median.toFixed(1),
        worst.toFixed(1),
        `\`${command}\``,
      ]),
    ),
  ];
}

function steadyPart(steady: Steady | undefined): string[] {
  if (steady === undefined) return [];
  return [
    '### Memory',
    `${steady.packets / 1e6} million packets there and back in ${steady.seconds.toFixed(1)} s: ` +
      `${steady.collections} garbage collections, heap ${kib(steady.heapGrowth)}, process ${kib(steady.residentGrowth)} more.`,
  ];
}

function kib(bytes: number): string {
  return `${Math.round(bytes / 1024)} KiB`;
}
