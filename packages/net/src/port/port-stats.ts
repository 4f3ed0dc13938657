import type { RxQueue } from '../queue/rx-queue.ts';
import type { TxQueue } from '../queue/tx-queue.ts';
import { queueCounterNames, rxEventNames, txCounterNames, txEventNames } from '../stats.ts';

const rxNames = [...queueCounterNames, ...rxEventNames];
const txNames = [...txCounterNames, ...txEventNames];

/** What the counters of each queue are called, by its number: made once, for those who look again and again. */
const rxKeys: string[][] = [];
const txKeys: string[][] = [];

/** All counters of queues, receive queues first: DPDK's xstats by their names, then ours. @param first number of the first pair */
export function portStats(rx: readonly RxQueue[], tx: readonly TxQueue[], first = 0): Record<string, number> {
  const stats: Record<string, number> = {};
  for (const [i, queue] of rx.entries()) {
    const keys = (rxKeys[first + i] ??= rxNames.map((name) => `rx_q${first + i}_${name}`));
    for (const [at, name] of rxNames.entries()) stats[keys[at]] = queue.stats.get(name);
  }
  for (const [i, queue] of tx.entries()) {
    const keys = (txKeys[first + i] ??= txNames.map((name) => `tx_q${first + i}_${name}`));
    for (const [at, name] of txNames.entries()) stats[keys[at]] = queue.stats.get(name);
  }
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
