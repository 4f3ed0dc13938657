import { macToBytes } from '@vio/net';
import { type ChecksumWork, peerAddress } from '../forward/lane.ts';
import { Stream } from '../forward/stream.ts';
import { type PortTopology, partner } from '../forward/topology.ts';
import type { StreamTask } from './datapath.ts';
import type { PortSlot } from './port-slot.ts';

/** How the packets of ports go. */
export interface StreamPlan {
  readonly topology: PortTopology;
  /** By number of the port that packets leave by; undefined: those that nobody told of. */
  readonly peers?: ReadonlyMap<number, Uint8Array>;
  readonly checksums?: ReadonlyMap<number, ChecksumWork>;
}

/**
 * The ways between ports, queue by queue: of each queue that has one on the other port. In testpmd's order: all ports' first
 * queue, then their second.
 * @param queuesOf how many queue pairs a port has, wherever they are
 */
export function planStreams(
  slots: readonly PortSlot[],
  queuesOf: (slot: PortSlot) => number,
  { topology, peers }: StreamPlan,
): StreamTask[] {
  const queues = Array.from({ length: Math.max(0, ...slots.map(queuesOf)) }, (_, queue) => queue);
  return queues.flatMap((queue) =>
    slots.flatMap((slot) => {
      const target = slots[partner(topology, slot.number, slots.length)];
      if (queue >= queuesOf(slot) || queue >= queuesOf(target) || target.port === undefined) return [];
      return [
        {
          name: slots.length === 1 ? `q${queue}` : `port ${slot.number} q${queue}`,
          from: { port: slot.number, queue },
          to: { port: target.number, queue },
          own: macToBytes(target.port.mac),
          peer: peers?.get(target.number) ?? peerAddress(target.number),
        },
      ];
    }),
  );
}

/** The streams between ports whose queues this thread polls. */
export function streamsBetween(slots: readonly PortSlot[], plan: StreamPlan): Stream[] {
  const tasks = planStreams(slots, ({ port }) => port?.rx.length ?? 0, plan);
  return tasks.flatMap(({ name, from: source, to: target, own, peer }) => {
    const from = slots[source.port].end(source.queue);
    const to = slots[target.port].end(target.queue);
    if (from === undefined || to === undefined) return [];
    const checksums = plan.checksums?.get(target.port);
    return [new Stream({ name, from, to, addresses: { own, peer }, checksums, shared: slots.length > 1 })];
  });
}
