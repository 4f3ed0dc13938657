import type { RxQueue } from '../queue/rx-queue.ts';
import type { TxQueue } from '../queue/tx-queue.ts';
import { queueCounterNames, rxEventNames, txCounterNames, txEventNames } from '../stats.ts';

const rxNames = [...queueCounterNames, ...rxEventNames];
const txNames = [...txCounterNames, ...txEventNames];

/** All counters of queues, receive queues first: DPDK's xstats by their names, then ours. @param first number of the first pair */
export function portStats(rx: readonly RxQueue[], tx: readonly TxQueue[], first = 0): Record<string, number> {
  const stats: Record<string, number> = {};
  for (const [i, queue] of rx.entries())
    Object.assign(stats, queue.stats.toRecord(`rx_q${first + i}_`, rxNames));
  for (const [i, queue] of tx.entries())
    Object.assign(stats, queue.stats.toRecord(`tx_q${first + i}_`, txNames));
  return stats;
}

/** DPDK's counters of a whole port, in its order, from those of the queues. */
export function genericStats(stats: Readonly<Record<string, number>>): Record<string, number> {
  const sum = (pattern: RegExp): number =>
    Object.entries(stats).reduce((all, [name, value]) => (pattern.test(name) ? all + value : all), 0);
  return {
    rx_good_packets: sum(/^rx_q\d+_good_packets$/),
    tx_good_packets: sum(/^tx_q\d+_good_packets$/),
    rx_good_bytes: sum(/^rx_q\d+_good_bytes$/),
    tx_good_bytes: sum(/^tx_q\d+_good_bytes$/),
    rx_missed_errors: 0,
    rx_errors: sum(/^rx_q\d+_errors$/),
    tx_errors: sum(/^tx_q\d+_dropped_\w+_packets$/),
    rx_mbuf_allocation_errors: sum(/^rx_q\d+_starved_refills$/),
  };
}
