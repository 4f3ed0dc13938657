import type { QueueFault, QueueFaultCode } from '../fault.ts';
import type { Translation } from '../memory/iotlb.ts';
import { ChainBuilder } from './chain-builder.ts';
import { ChainBurst } from './chain-burst.ts';
import type { DeviceQueueOptions } from './device-queue.ts';
import { TranslatingBuilder } from './translating-builder.ts';

/** Chains whose translations are asked for at once. */
const lookAheadChains = 64;
const lookAheadSegments = 1024;

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

  /** For chains that are only looked at; made when a translation is missing. */
  #ahead: ChainBurst | undefined;
  readonly #translation: Translation | undefined;
  /** What was the latest news of it when the next chains were looked at. */
  #seen = -1;

  constructor({ memory, size, features, translation, indirectDirection = 'flags' }: DeviceQueueOptions) {
    this.size = size;
    this.eventIdx = features.eventIdx;
    this.inOrder = features.inOrder;
    this.#translation = translation;
    this.builder =
      translation === undefined
        ? new ChainBuilder(memory, size, features.indirect)
        : new TranslatingBuilder(memory, size, features.indirect, translation, indirectDirection);
  }

  get broken(): QueueFault | undefined {
    return this.#broken;
  }

  fetch(chains: ChainBurst, max: number): number {
    chains.clear();
    return this.fetchMore(chains, max);
  }

  abstract fetchMore(chains: ChainBurst, max: number): number;
  abstract unfetch(chains: ChainBurst, count: number): void;

  /** True when the next chain waits for a translation that was asked for. */
  get missing(): boolean {
    return this.builder.missed;
  }

  /** Where the fast ways look first. */
  get window(): number {
    return this.builder.window;
  }

  lookIn(window: number): void {
    this.builder.lookIn(window);
  }

  translationsChanged(): void {
    this.builder.forget();
  }

  /**
   * Asks for what is missing of the translations of the next chains: answers take as long for one as for all of them.
   */
  lookAhead(): void {
    const { builder } = this;
    const translation = this.#translation;
    if (translation === undefined || translation.changes === this.#seen) return;
    if (builder.peeking || this.broken !== undefined) return;
    const ahead = (this.#ahead ??= new ChainBurst(lookAheadChains, Math.max(lookAheadSegments, this.size)));
    const { missed } = builder;
    builder.peeking = true;
    this.unfetch(ahead, this.fetch(ahead, lookAheadChains));
    builder.peeking = false;
    builder.missed = missed;
    this.#seen = translation.changes;
  }

  /**
   * Ends a fetch: the burst has `count` chains now, and the next one's segments begin at `segment`. Chains in front of a
   * bad one are still delivered; the queue breaks when the bad one is first in line.
   * @param refused the builder refused a chain: it is bad, or does not fit the burst
   * @returns chains that joined those in the burst
   */
  protected fetched(chains: ChainBurst, count: number, segment: number, refused: boolean): number {
    const added = count - chains.count;
    const { fault } = this.builder;
    if (added === 0 && fault !== undefined && !this.builder.peeking)
      return this.break(fault.code, fault.detail);
    chains.full = count === chains.capacity || (refused && fault === undefined && !this.builder.missed);
    chains.firstSegment[count] = segment;
    chains.count = count;
    return added;
  }

  protected break(code: QueueFaultCode, detail: string): 0 {
    this.#broken = { code, detail };
    return 0;
  }
}
