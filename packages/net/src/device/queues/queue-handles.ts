import { VioError } from '@vio/native';
import type { NetPortParts } from '../../port/net-port.ts';
import type { PortSwitches } from '../../queue/port-switches.ts';
import type { QueuePairHandle } from '../../port/worker-port.ts';
import type { DeviceMemory } from '../memory/device-memory.ts';
import type { MemoryPlan } from '../memory/memory-plan.ts';
import type { VringEvents } from './vring-events.ts';

/**
 * The queue pairs of a port as handles for other threads.
 * @throws VioError VIO_MEMORY_SHARE when other threads cannot map the memory
 */
export function queuePairHandles(
  { features, mac, paths }: Pick<NetPortParts, 'features' | 'mac' | 'paths'>,
  switches: PortSwitches,
  plan: MemoryPlan,
  memory: DeviceMemory,
  events: VringEvents,
): QueuePairHandle[] {
  const { fd, address } = memory;
  if (fd === undefined) {
    throw new VioError('queue pairs cannot be detached: other threads cannot map the memory of this device', {
      code: 'VIO_MEMORY_SHARE',
      remedy: 'bind the device to vfio-pci behind an IOMMU, or poll all its queues in one thread',
    });
  }
  return plan.rxOffset.map((rxOffset, pair) => ({
    pair,
    features,
    mac,
    paths,
    switches: switches.memory,
    memory: { fd, bytes: memory.buffer.byteLength, address },
    rings: {
      size: plan.sizes[pair].rx,
      txSize: plan.sizes[pair].tx,
      rxOffset,
      txOffset: plan.txOffset[pair],
    },
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
