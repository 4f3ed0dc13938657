const border = '########################';

/** The counters of a port at a moment, by DPDK's names. */
export interface PortCounters {
  /** Milliseconds, of a clock that only grows. */
  readonly at: number;
  readonly values: Readonly<Record<string, number>>;
}

/** `show port stats`, rates since the last time somebody looked. */
export function portStatsText(port: number, now: PortCounters, last: PortCounters | undefined): string {
  const value = (name: string): number => now.values[name] ?? 0;
  const rate = (name: string, unit = 1): number => {
    if (last === undefined || now.at <= last.at) return 0;
    const grown = value(name) - (last.values[name] ?? 0);
    return Math.max(0, Math.round((grown * unit * 1000) / (now.at - last.at)));
  };
  const wide = (number: number): string => String(number).padEnd(10);
  const right = (number: number): string => String(number).padStart(12);
  return [
    '',
    `  ${border} NIC statistics for port ${String(port).padEnd(2)} ${border}`,
    `  RX-packets: ${wide(value('rx_good_packets'))} RX-missed: ${wide(value('rx_missed_errors'))} RX-bytes:  ${value('rx_good_bytes')}`,
    `  RX-errors: ${value('rx_errors')}`,
    `  RX-nombuf:  ${wide(value('rx_mbuf_allocation_errors'))}`,
    `  TX-packets: ${wide(value('tx_good_packets'))} TX-errors: ${wide(value('tx_errors'))} TX-bytes:  ${value('tx_good_bytes')}`,
    '',
    '  Throughput (since last show)',
    `  Rx-pps: ${right(rate('rx_good_packets'))}          Rx-bps: ${right(rate('rx_good_bytes', 8))}`,
    `  Tx-pps: ${right(rate('tx_good_packets'))}          Tx-bps: ${right(rate('tx_good_bytes', 8))}`,
    `  ${border}############################${border}`,
  ].join('\n');
}

/** `show port xstats`. */
export function xstatsText(port: number, values: Readonly<Record<string, number>>): string {
  return [
    `###### NIC extended statistics for port ${String(port).padEnd(2)}`,
    ...Object.entries(values).map(([name, value]) => `${name}: ${value}`),
  ].join('\n');
}
