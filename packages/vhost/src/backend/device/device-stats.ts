import { type QueueEventName, queueCounterNames } from '@vio/net';
import type { Vring } from './vring.ts';

const receivedEvents: readonly QueueEventName[] = ['dropped_length_packets', 'dropped_no_room_packets'];
const sentEvents: readonly QueueEventName[] = ['full_rings', 'dropped_no_room_packets'];

/**
 * All counters of rings that ever ran, named as DPDK names the statistics of its vhost rings and seen from the backend:
 * `rx_q0_` is what it receives from the first pair, which is the driver's ring 1. `errors`, and what comes after the
 * notifications, is not DPDK's.
 */
export function deviceStats(vrings: readonly Vring[]): Record<string, number> {
  const all: Record<string, number> = {};
  for (const { index, stats, calls } of vrings) {
    if (stats === null) continue;
    const receives = index % 2 === 1;
    const prefix = `${receives ? 'rx' : 'tx'}_q${index >> 1}_`;
    Object.assign(
      all,
      stats.toRecord(prefix, queueCounterNames),
      { [`${prefix}guest_notifications`]: calls },
      stats.toRecord(prefix, receives ? receivedEvents : sentEvents),
    );
  }
  return all;
}
