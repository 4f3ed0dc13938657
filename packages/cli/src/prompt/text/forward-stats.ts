import type { StreamReport } from '../../ports/datapath.ts';

/** What a port moved since forwarding began, in packets. */
export interface ForwardedPackets {
  readonly received: number;
  readonly missed: number;
  readonly sent: number;
  readonly dropped: number;
}

/** The statistics of forwarding, as `stop` and `show fwd stats all` show them. */
export function forwardStatsText(
  ports: ReadonlyMap<number, ForwardedPackets>,
  streams: readonly StreamReport[],
): string {
  const all = { received: 0, missed: 0, sent: 0, dropped: 0 };
  const blocks: string[] = streams.length > ports.size ? streams.map(streamBlock) : [];
  for (const [number, packets] of ports) {
    all.received += packets.received;
    all.missed += packets.missed;
    all.sent += packets.sent;
    all.dropped += packets.dropped;
    const border = '-'.repeat(22);
    blocks.push(
      block(
        `${border} Forward statistics for port ${String(number).padEnd(2)} ${border}`,
        packets,
        '-'.repeat(76),
      ),
    );
  }
  const border = '+'.repeat(15);
  blocks.push(block(`${border} Accumulated forward statistics for all ports${border}`, all, '+'.repeat(76)));
  return blocks.join('\n');
}

function streamBlock({ from, to, counts }: StreamReport): string {
  const place = ({ port, queue }: StreamReport['from']): string =>
    `Port=${String(port).padStart(2)}/Queue=${String(queue).padStart(2)}`;
  const wide = (count: number): string => String(count).padEnd(14);
  return [
    '',
    `  ------- Forward Stats for RX ${place(from)} -> TX ${place(to)} -------`,
    `  RX-packets: ${wide(counts.received)} TX-packets: ${wide(counts.sent)} TX-dropped: ${wide(counts.dropped)}`,
  ].join('\n');
}

function block(title: string, { received, missed, sent, dropped }: ForwardedPackets, end: string): string {
  const wide = (count: number): string => String(count).padEnd(14);
  return [
    '',
    `  ${title}`,
    `  RX-packets: ${wide(received)} RX-dropped: ${wide(missed)}RX-total: ${received + missed}`,
    `  TX-packets: ${wide(sent)} TX-dropped: ${wide(dropped)}TX-total: ${sent + dropped}`,
    `  ${end}`,
  ].join('\n');
}
