import type { QueueFault, QueueFaultCode } from '../fault.ts';
import { ChainBuilder } from './chain-builder.ts';
import type { ChainBurst } from './chain-burst.ts';
import type { DeviceQueueOptions } from './device-queue.ts';

/** The device side of a ring, as far as it does not depend on the format: how a fetch ends, and how a queue breaks. */
export abstract class DeviceRing {
  readonly size: number;
  readonly log = undefined;
  protected readonly eventIdx: boolean;
  protected readonly inOrder: boolean;
  protected readonly builder: ChainBuilder;
  /** Ring entries fetched and not completed: split, chains; packed, descriptors. */
  protected inFlight = 0;
  #broken: QueueFault | undefined;

  constructor({ memory, size, features }: DeviceQueueOptions) {
    this.size = size;
    this.eventIdx = features.eventIdx;
    this.inOrder = features.inOrder;
    this.builder = new ChainBuilder(memory, size, features.indirect);
  }

  get broken(): QueueFault | undefined {
    return this.#broken;
  }

  fetch(chains: ChainBurst, max: number): number {
    chains.clear();
    return this.fetchMore(chains, max);
  }

  abstract fetchMore(chains: ChainBurst, max: number): number;

  /**
   * Ends a fetch: the burst has `count` chains now, and the next one's segments begin at `segment`. Chains in front of a
   * bad one are still delivered; the queue breaks when the bad one is first in line.
   * @param refused the builder refused a chain: it is bad, or does not fit the burst
   * @returns chains that joined those in the burst
   */
  protected fetched(chains: ChainBurst, count: number, segment: number, refused: boolean): number {
    const added = count - chains.count;
    const { fault } = this.builder;
    if (added === 0 && fault !== undefined) return this.break(fault.code, fault.detail);
    chains.full = count === chains.capacity || (refused && fault === undefined);
    chains.firstSegment[count] = segment;
    chains.count = count;
    return added;
  }

  protected break(code: QueueFaultCode, detail: string): 0 {
    this.#broken = { code, detail };
    return 0;
  }
}
