import { BufferPool, type QueueFault, Region } from '@vio/rings';
import type { PathChoice } from '../../paths.ts';
import type { PortSwitches } from '../../queue/port-switches.ts';
import { type QueuePair, createQueuePair } from '../../queue/queue-pair.ts';
import type { Notifier } from '../../queue/queue-options.ts';
import type { DeviceMemory } from '../memory/device-memory.ts';
import type { MemoryPlan } from '../memory/memory-plan.ts';

export interface QueuesOptions {
  /** Of the port. */
  readonly features: bigint;
  readonly layout: MemoryPlan;
  readonly memory: DeviceMemory;
  readonly switches: PortSwitches;
  readonly paths: { readonly rx: PathChoice; readonly tx: PathChoice };
  /** What tells the device of new buffers. @param nextAvailable where the queue's next buffer goes */
  readonly notifier: (queue: number, nextAvailable: () => number) => Notifier;
  readonly onBroken: (direction: 'rx' | 'tx', queue: number, fault: QueueFault) => void;
}

export interface PortQueues {
  readonly region: Region;
  readonly pool: BufferPool;
  readonly pairs: readonly QueuePair[];
}

/** Rings, pool and queues over a device's memory, which is all zero. */
export function buildQueues(options: QueuesOptions): PortQueues {
  const { features, layout, memory, switches, paths, notifier, onBroken } = options;
  const region = new Region(memory.buffer, 0, memory.buffer.byteLength, memory.address);
  const pool = new BufferPool({
    region,
    offset: layout.poolOffset,
    count: layout.poolBuffers,
    capacity: layout.maxBuffers,
    headroom: layout.headroom,
    dataRoom: layout.dataRoom,
  });
  const pairs: QueuePair[] = [];
  for (const [pair, rxOffset] of layout.rxOffset.entries()) {
    pairs.push(
      createQueuePair({
        features,
        region,
        pool,
        paths,
        size: layout.sizes[pair].rx,
        txSize: layout.sizes[pair].tx,
        rxOffset,
        txOffset: layout.txOffset[pair],
        rxKick: notifier(2 * pair, () => pairs[pair].rx.queue.nextAvailable()),
        txKick: notifier(2 * pair + 1, () => pairs[pair].tx.queue.nextAvailable()),
        switches: { port: switches, pair },
        onBroken: (direction, fault) => onBroken(direction, pair, fault),
      }),
    );
  }
  return { region, pool, pairs };
}
