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
