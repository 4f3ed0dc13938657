import type { Observed } from './telemetry.ts';

/** What DPDK's `/ethdev/info` says, as far as there is such a thing, and what the port says of itself. */
export function ethdevInfo({ id, source }: Observed): object {
  const link = source.link();
  return { port_id: id, name: source.name, kind: source.kind, dev_started: 1, link, ...source.info() };
}

/** DPDK's basic statistics, from the counters of the queues. */
export function ethdevStats(stats: Readonly<Record<string, number>>): object {
  const queues = new Map<number, Record<string, number>>();
  const sums: Record<string, number> = {
    ipackets: 0,
    opackets: 0,
    ibytes: 0,
    obytes: 0,
    imissed: 0,
    ierrors: 0,
    oerrors: 0,
    rx_nombuf: 0,
  };
  for (const [name, value] of Object.entries(stats)) {
    const [, direction, queue, counter] = /^(rx|tx)_q(\d+)_(\w+)$/.exec(name) ?? [];
    if (direction === undefined || queue === undefined || counter === undefined) continue;
    const basic = basicName(direction, counter);
    if (basic === undefined) continue;
    sums[basic] += value;
    if (!/packets$|bytes$/.test(basic)) continue;
    const each = queues.get(Number(queue)) ?? {};
    each[`q_${basic}`] = value;
    queues.set(Number(queue), each);
  }
  const perQueue = (name: string): number[] => [...queues.values()].map((each) => each[name] ?? 0);
  return {
    ...sums,
    q_ipackets: perQueue('q_ipackets'),
    q_opackets: perQueue('q_opackets'),
    q_ibytes: perQueue('q_ibytes'),
    q_obytes: perQueue('q_obytes'),
  };
}

function basicName(direction: string, counter: string): string | undefined {
  const side = direction === 'rx' ? 'i' : 'o';
  if (counter === 'good_packets') return `${side}packets`;
  if (counter === 'good_bytes') return `${side}bytes`;
  if (counter === 'starved_refills') return 'rx_nombuf';
  if (counter === 'errors') return `${side}errors`;
  if (direction === 'tx' && counter.startsWith('dropped_')) return 'oerrors';
  return undefined;
}
