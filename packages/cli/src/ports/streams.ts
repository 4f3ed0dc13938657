import { macToBytes } from '@vio/net';
import { type ChecksumWork, peerAddress } from '../forward/lane.ts';
import { Stream } from '../forward/stream.ts';
import { type PortTopology, partner } from '../forward/topology.ts';
import type { PortSlot } from './port-slot.ts';

/** How the packets of ports go. */
export interface StreamPlan {
  readonly topology: PortTopology;
  /** By number of the port that packets leave by; undefined: those that nobody told of. */
  readonly peers?: ReadonlyMap<number, Uint8Array>;
  readonly checksums?: ReadonlyMap<number, ChecksumWork>;
}

/**
 * The streams between ports, queue by queue: of each queue that has one on the other port. In testpmd's order: all ports' first
 * queue, then their second.
 */
export function streamsBetween(slots: readonly PortSlot[], plan: StreamPlan): Stream[] {
  const queues = Math.max(0, ...slots.map(({ port }) => port?.rx.length ?? 0));
  return Array.from({ length: queues }, (_, queue) => queue).flatMap((queue) =>
    slots.flatMap((slot) => {
      const target = slots[partner(plan.topology, slot.number, slots.length)];
      const from = slot.end(queue);
      const to = target.end(queue);
      const { port } = target;
      if (from === undefined || to === undefined || port === undefined) return [];
      const peer = plan.peers?.get(target.number) ?? peerAddress(target.number);
      const name = slots.length === 1 ? `q${queue}` : `port ${slot.number} q${queue}`;
      const addresses = { own: macToBytes(port.mac), peer };
      const checksums = plan.checksums?.get(target.number);
      return [new Stream({ name, from, to, addresses, checksums, shared: slots.length > 1 })];
    }),
  );
}
