import type { QueueEventName } from '@vio/net';
import { queueCounterNames } from '@vio/net/internal';
import type { Vring } from '../vring/vring.ts';

const receivedEvents: readonly QueueEventName[] = [
  'dropped_length_packets',
  'dropped_no_room_packets',
  'dropped_stopped_packets',
];
const sentEvents: readonly QueueEventName[] = ['full_rings', 'dropped_no_room_packets'];

/**
 * All counters of rings that ever ran, named as DPDK names the statistics of its vhost rings and seen from the backend:
 * `rx_q0_` is what it receives from the first pair, which is the driver's ring 1. `errors`, and what comes after the
 * notifications, is not DPDK's.
 */
export function deviceStats(vrings: readonly Vring[]): Record<string, number> {
  const all: Record<string, number> = {};
  for (const vring of vrings) {
    const prefix = `${vring.index % 2 === 1 ? 'rx' : 'tx'}_q${vring.index >> 1}_`;
    Object.assign(all, vringStats(vring, prefix));
  }
  return all;
}

/** The counters of one ring, with something in front of each name; none if it never ran. */
export function vringStats({ index, stats, calls }: Vring, prefix = ''): Record<string, number> {
  if (stats === undefined) return {};
  return {
    ...stats.toRecord(prefix, queueCounterNames),
    [`${prefix}guest_notifications`]: calls.count,
    ...stats.toRecord(prefix, index % 2 === 1 ? receivedEvents : sentEvents),
  };
}

/** The names of a ring's counters, in their order. */
export function vringStatsNames(index: number): string[] {
  return [...queueCounterNames, 'guest_notifications', ...(index % 2 === 1 ? receivedEvents : sentEvents)];
}
