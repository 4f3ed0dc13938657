import { macToBytes } from '@vio/net';
import { type ChecksumWork, peerAddress } from '../forward/lane.ts';
import { Stream } from '../forward/stream.ts';
import type { SendRetry } from '../forward/send-again.ts';
import { type PortTopology, partner } from '../forward/topology.ts';
import type { StreamTask } from './datapath.ts';
import type { PortSlot } from './port-slot.ts';

/** How the packets of ports go. */
export interface StreamPlan {
  readonly topology: PortTopology;
  /** By number of the port that packets leave by; undefined: those that nobody told of. */
  readonly peers?: ReadonlyMap<number, Uint8Array>;
  readonly checksums?: ReadonlyMap<number, ChecksumWork>;
  readonly tags?: ReadonlyMap<number, number> | undefined;
  readonly retry?: SendRetry | undefined;
}

/** The number of the port by which packets leave that came in by another, among those that are attached. */
export function partnerAmong(slots: readonly PortSlot[], topology: PortTopology, number: number): number {
  let target = partner(topology, number, slots.length);
  // A neighbour that is gone leaves a port to itself, in a ring the one behind it is the next.
  if (!slots[target].attached && topology === 'paired') return number;
  while (!slots[target].attached && target !== number) target = (target + 1) % slots.length;
  return target;
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
      const target = slots[partnerAmong(slots, topology, slot.number)];
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
    const parts = { name, from, to, addresses: { own, peer }, shared: slots.length > 1, retry: plan.retry };
    const checksums = plan.checksums?.get(target.port);
    return [new Stream({ ...parts, checksums, tag: plan.tags?.get(target.port) })];
  });
}
