import { type ChainBurst, ChainBytes, type DeviceQueue, MemoryMap, type QueueFault } from '@vio/rings';
import { KickLoop, type OnKick } from './kick-loop.ts';

/** Times that a ring is served between two looks at whether the driver took its memory away; a power of two. */
const servedPerLook = 64;

const noMemory = new ChainBytes(new MemoryMap([]));

/** What a ring needs of its device. */
export interface RawVringOwner {
  readonly onKick: OnKick;
  /** Calls the driver. */
  call(): void;
  /** The driver is called for everything that is used. */
  alwaysCalls(): boolean;
  broken(fault: QueueFault): void;
  /** The application threw while it served the ring. */
  failed(error: unknown): void;
  /** Looks at whether the driver took its memory away. */
  lookAtMemory(): void;
}

/**
 * A ring of a device of any type: chains of the driver's buffers, to be served by the application. It stays the same while its
 * device lives. While the ring does not run there is nothing to fetch; chains that were fetched before it stopped, or before
 * the driver's memory changed, are no longer the ring's: completing them does nothing.
 */
export interface RawVring {
  /** Number of the ring in its device, from 0. */
  readonly index: number;
  /** Descriptors; 0 while it does not run. */
  readonly size: number;
  /** There may be something to fetch. */
  readonly running: boolean;
  /** The bytes of chains that were fetched last. */
  readonly bytes: ChainBytes;
  /** Takes up to `max` chains, as `DeviceQueue.fetch`. @returns how many */
  fetch(chains: ChainBurst, max?: number): number;
  /** Gives the last `count` of the fetched chains back: the next fetch sees them again. */
  unfetch(chains: ChainBurst, count: number): void;
  /**
   * Marks chains used, with `chains.written[i]` bytes written each, and calls the driver if it wants that. They may be completed
   * in any order, and later; with IN_ORDER in the order fetched.
   */
  complete(chains: ChainBurst, from?: number, count?: number): void;
  /** Chains that wait; a hint. */
  pending(): number;
  /**
   * Serves the ring from the event loop: `serve` is called whenever the driver has kicked and chains wait, and again soon for as
   * long as it leaves some. It fetches what it likes, and what it throws ends the connection (see `VhostCallbacks`). There is
   * one `serve`, the last that was given; without one the application polls.
   * @returns takes it back
   */
  onKick(serve: (ring: RawVring) => void): () => void;
}

/** A raw ring as its device has it: its queue comes and goes. */
export class ServedRing implements RawVring {
  readonly index: number;
  readonly #owner: RawVringOwner;
  #queue: DeviceQueue | undefined;
  /** The one of this run that the others are views of. */
  #started: DeviceQueue | undefined;
  #bytes = noMemory;
  #loop: KickLoop | undefined;
  #serve: ((ring: RawVring) => void) | undefined;
  #served = 0;
  /** Something was fetched since it runs. */
  fetched = false;
  /** Which queue the chains of a burst come from, whatever view it was. */
  readonly #fetched = new WeakMap<ChainBurst, DeviceQueue>();

  constructor(index: number, owner: RawVringOwner) {
    this.index = index;
    this.#owner = owner;
  }

  get size(): number {
    return this.#queue?.size ?? 0;
  }

  get running(): boolean {
    return this.#queue !== undefined;
  }

  get bytes(): ChainBytes {
    return this.#bytes;
  }

  /** Undefined while the ring does not run. */
  get queue(): DeviceQueue | undefined {
    return this.#queue;
  }

  fetch(chains: ChainBurst, max = chains.capacity): number {
    const queue = this.#queue;
    if (queue === undefined) {
      chains.clear();
      return 0;
    }
    if ((++this.#served & (servedPerLook - 1)) === 0) this.#owner.lookAtMemory();
    const count = queue.fetch(chains, Math.min(max, chains.capacity));
    if (this.#started !== undefined) this.#fetched.set(chains, this.#started);
    if (count > 0) this.fetched = true;
    this.#settle(queue);
    return count;
  }

  unfetch(chains: ChainBurst, count: number): void {
    if (this.#isCurrent(chains)) this.#queue?.unfetch(chains, count);
  }

  complete(chains: ChainBurst, from = 0, count = chains.count - from): void {
    const queue = this.#queue;
    if (queue === undefined || count <= 0 || !this.#isCurrent(chains)) return;
    queue.complete(chains, from, count);
    if (queue.callNeeded() || this.#owner.alwaysCalls()) this.#owner.call();
    this.#settle(queue);
  }

  pending(): number {
    return this.#queue?.pending() ?? 0;
  }

  onKick(serve: (ring: RawVring) => void): () => void {
    this.#serve = serve;
    this.#watch();
    return () => {
      if (this.#serve !== serve) return;
      this.#serve = undefined;
      this.#watch();
    };
  }

  /** The ring runs. */
  start(queue: DeviceQueue, memory: MemoryMap): void {
    this.#queue = queue;
    this.#started = queue;
    this.fetched = false;
    this.#bytes = new ChainBytes(memory);
    this.#watch();
  }

  /** Goes on with another view of the same ring: what was fetched stays fetched. */
  work(queue: DeviceQueue): void {
    this.#queue = queue;
  }

  /** It does not any more. */
  stop(): void {
    this.#queue = undefined;
    this.#loop?.stop();
    this.#loop = undefined;
  }

  #watch(): void {
    this.#loop?.stop();
    this.#loop = undefined;
    if (this.#queue === undefined) return;
    if (this.#serve === undefined) this.#queue.disarmKick();
    else this.#loop = new KickLoop(this.#owner.onKick, () => this.#look());
  }

  /** @returns true when chains wait */
  #look(): boolean {
    const queue = this.#queue;
    if (queue === undefined) return false;
    try {
      if (queue.pending() > 0) this.#serve?.(this);
    } catch (error) {
      this.#owner.failed(error);
      return false;
    }
    // The application, or what it has called, may have stopped the ring.
    return this.#queue === queue && queue.broken === undefined && queue.armKick();
  }

  #isCurrent(chains: ChainBurst): boolean {
    return this.#queue !== undefined && this.#fetched.get(chains) === this.#started;
  }

  #settle(queue: DeviceQueue): void {
    if (queue.broken !== undefined && this.#queue === queue) this.#owner.broken(queue.broken);
  }
}
