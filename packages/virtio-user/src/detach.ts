import type { SharedMemory } from '@vio/native';
import type { NetPortParts, QueuePairHandle } from '@vio/net';
import type { MemoryPlan } from './memory-plan.ts';
import type { VringEvents } from './vrings.ts';

/** The queue pairs of a port as handles for other threads. @param size descriptors per ring */
export function queuePairHandles(
  { features, mac, paths, rules }: Pick<NetPortParts, 'features' | 'mac' | 'paths' | 'rules'>,
  plan: MemoryPlan,
  size: number,
  memory: SharedMemory,
  events: VringEvents,
): QueuePairHandle[] {
  return plan.rxOffset.map((rxOffset, pair) => ({
    pair,
    features,
    mac,
    paths,
    rules,
    memory: { fd: memory.fd, bytes: memory.size },
    rings: { size, rxOffset, txOffset: plan.txOffset[pair] },
    pool: {
      offset: plan.pairPoolOffset[pair],
      count: plan.pairBuffers,
      headroom: plan.headroom,
      dataRoom: plan.dataRoom,
    },
    events: {
      rxKick: events.kick[2 * pair].fd,
      txKick: events.kick[2 * pair + 1].fd,
      rxCall: events.call[2 * pair].fd,
    },
  }));
}
