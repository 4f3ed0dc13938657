import type { RingState } from '@vio/net';
import type { SortKey } from './options.ts';
import type { Look, SeenPort } from './snapshot.ts';

/** What one direction of a port or queue does in a second. */
export interface Flow {
  /** Packets. */
  readonly pps: number;
  /** Bits of frames. */
  readonly bps: number;
}

/** Packets that were dropped for one reason. */
export interface Drops {
  /** As in `no_room`. */
  readonly reason: string;
  readonly perSecond: number;
  /** Since the port began. */
  readonly total: number;
}

/** A queue pair between two looks. */
export interface QueueActivity {
  readonly queue: number;
  readonly rx: Flow;
  readonly tx: Flow;
}

/** A port between two looks. */
export interface PortActivity {
  /** As in `run 4711`. */
  readonly program: string;
  readonly pid: number;
  readonly name: string;
  readonly kind: string;
  readonly up: boolean;
  /** Why the link is down. */
  readonly reason: string | undefined;
  /** The elected paths, where it has some. */
  readonly paths: string | undefined;
  readonly rx: Flow;
  readonly tx: Flow;
  readonly queues: readonly QueueActivity[];
  /** Packets moved at a time; undefined: nobody counts that, or none moved. */
  readonly batch: number | undefined;
  /** Notifications of the device, and interrupts, in a second. */
  readonly kicks: number;
  readonly calls: number;
  readonly drops: readonly Drops[];
  readonly rings: readonly RingState[];
}

/** What ports did between two looks; one that was not there before has done nothing yet. */
export function activity(before: readonly Look[], now: readonly Look[]): PortActivity[] {
  return now.flatMap((look) => {
    const last = before.find(({ path, pid }) => path === look.path && pid === look.pid);
    return look.ports.map((port) => {
      const old = last?.ports.find(({ id, name }) => id === port.id && name === port.name);
      const seconds = last === undefined ? 1 : Math.max(look.at - last.at, 1) / 1000;
      return portActivity(look, port, old ?? port, seconds);
    });
  });
}

/** Sorted by a key, largest first; names as they are read. */
export function sorted(ports: readonly PortActivity[], key: SortKey): PortActivity[] {
  const amount = (port: PortActivity): number =>
    key === 'drops'
      ? port.drops.reduce((sum, { perSecond }) => sum + perSecond, 0)
      : port.rx.pps + port.tx.pps;
  const byName = (a: PortActivity, b: PortActivity): number =>
    `${a.program} ${a.name}`.localeCompare(`${b.program} ${b.name}`, 'en', { numeric: true });
  return ports.toSorted((a, b) => (key === 'name' ? 0 : amount(b) - amount(a)) || byName(a, b));
}

function portActivity(look: Look, port: SeenPort, old: SeenPort, seconds: number): PortActivity {
  const counters = Object.entries(port.stats).flatMap(([name, value]) => {
    const [, direction, queue, counter] = /^(rx|tx)_q(\d+)_(\w+)$/.exec(name) ?? [];
    if (direction === undefined || counter === undefined) return [];
    const grown = Math.max(0, value - (old.stats[name] ?? 0));
    return [{ direction, queue: Number(queue), counter, grown, value }];
  });
  const sum = (match: (each: (typeof counters)[number]) => boolean): number =>
    counters.filter(match).reduce((total, { grown }) => total + grown, 0);
  const flow = (direction: string, queue?: number): Flow => {
    const of = (counter: string): number =>
      sum(
        (each) =>
          each.direction === direction && each.counter === counter && (queue ?? each.queue) === each.queue,
      );
    return { pps: of('good_packets') / seconds, bps: (8 * of('good_bytes')) / seconds };
  };
  const bursts = sum(({ counter }) => counter === 'bursts');
  const moved = Math.max(...['rx', 'tx'].map((direction) => flow(direction).pps * seconds));
  const { rx_path: rxPath, tx_path: txPath } = port.info;
  return {
    program: `${look.command} ${look.pid}`,
    pid: look.pid,
    name: port.name,
    kind: port.kind,
    up: port.link.status === 'UP',
    reason: port.link.reason?.message,
    paths: typeof rxPath === 'string' && typeof txPath === 'string' ? `${rxPath}, ${txPath}` : undefined,
    rx: flow('rx'),
    tx: flow('tx'),
    queues: [...new Set(counters.map(({ queue }) => queue))].map((queue) => ({
      queue,
      rx: flow('rx', queue),
      tx: flow('tx', queue),
    })),
    batch: bursts > 0 && moved > 0 ? moved / bursts : undefined,
    kicks: sum(({ counter }) => counter === 'kicks') / seconds,
    calls: sum(({ counter }) => counter === 'calls' || counter === 'guest_notifications') / seconds,
    drops: drops(counters, seconds),
    rings: port.rings,
  };
}

function drops(
  counters: readonly { readonly counter: string; readonly grown: number; readonly value: number }[],
  seconds: number,
): Drops[] {
  const byReason = new Map<string, { perSecond: number; total: number }>();
  for (const { counter, grown, value } of counters) {
    const reason = /^(?:dropped_)?(\w+)_packets$/.exec(counter)?.[1];
    if (
      reason === undefined ||
      value === 0 ||
      !(counter.startsWith('dropped_') || counter === 'lost_packets')
    )
      continue;
    const sum = byReason.get(reason) ?? { perSecond: 0, total: 0 };
    byReason.set(reason, { perSecond: sum.perSecond + grown / seconds, total: sum.total + value });
  }
  return Array.from(byReason, ([reason, sum]) => ({ reason, ...sum }));
}
