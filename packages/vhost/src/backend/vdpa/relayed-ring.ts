import { EventFd, FdWatcher } from '@vio/native';
import { callApplication } from '@vio/native/internal';
import { ChainBurst, type MemoryMap } from '@vio/rings';
import { ForwardingRing } from '@vio/rings/internal';
import type { RawVring } from '../raw/raw-vring.ts';

/** Chains of one fetch, and their segments: a longer ring's chains may have as many as that. */
const chainsPerFetch = 32;
const segmentsPerFetch = 256;

/** Chains that were fetched together, until the last of them is complete. */
interface Batch {
  readonly chains: ChainBurst;
  /** Chains handed on, and chains the device has used. */
  forwarded: number;
  readonly done: Uint8Array;
  /** Completed, from the first on. */
  completed: number;
}

/**
 * Passes the buffers of a driver's ring on to a device by a ring of this side's, and what the device used back, in the order it was
 * made available: the device sees a split ring from its start on, whatever the driver's looks like, and everything that is used
 * is seen, and marked, here. Packets stay where they are.
 */
export class RelayedRing implements Disposable {
  readonly index: number;
  readonly ring: ForwardingRing;
  /** Called whenever the device is to look. */
  readonly listeners = new Set<() => void>();
  readonly #call = EventFd.create();
  #kick: EventFd | undefined;
  #watcher: FdWatcher | undefined;
  #raw: RawVring | undefined;
  #memory: MemoryMap | undefined;
  #endKicks = (): void => {};
  /** There was no room for what waits: kicks are not heard meanwhile. */
  #stuck = false;
  readonly #batches: Batch[] = [];
  readonly #spare: Batch[] = [];
  readonly #onNonsense: () => void;
  /** By token: its batch and chain. */
  readonly #tokens: { batch: Batch; chain: number }[];
  readonly #freeTokens: number[];

  /** @param onNonsense the device used what it was not given */
  constructor(index: number, ring: ForwardingRing, onNonsense: () => void) {
    this.index = index;
    this.ring = ring;
    this.#onNonsense = onNonsense;
    this.#tokens = Array.from({ length: ring.size });
    this.#freeTokens = Array.from({ length: ring.size }, (_, i) => i);
  }

  /** What the device may call by. */
  get callFd(): number {
    return this.#call.fd;
  }

  /** What the device may be kicked by, from the first look on. */
  get kickFd(): number {
    this.#kick ??= EventFd.create();
    return this.#kick.fd;
  }

  /** Begins. @param memory that of the driver, where its chains lie */
  begin(raw: RawVring, memory: MemoryMap): void {
    this.#raw = raw;
    this.#memory = memory;
    this.#watcher = new FdWatcher(this.#call.fd, { readable: true }, () => {
      this.#call.drain();
      this.takeUsed();
    });
    this.#watcher.unref();
    this.#listen();
  }

  /** Passes back what the device has used. */
  takeUsed(): void {
    this.#collect();
    if (this.ring.broken) return this.#onNonsense();
    if (this.#stuck) this.#listen();
  }

  /** The device has let go: what it did not use is the driver's ring's again, as if it had not been fetched. */
  end(): void {
    this.#collect();
    this.#endKicks();
    this.#watcher?.close();
    this.#watcher = undefined;
    for (const { chains, completed } of this.#batches.toReversed())
      this.#raw?.unfetch(chains, chains.count - completed);
    this.#batches.length = 0;
    this.#raw = undefined;
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
    this.#call.close();
    this.#kick?.close();
  }

  #listen(): void {
    this.#stuck = false;
    this.#endKicks = this.#raw?.onKick(() => this.#forward()) ?? (() => {});
  }

  #collect(): void {
    const { ring } = this;
    while (ring.take()) {
      const { batch, chain } = this.#tokens[ring.token];
      this.#freeTokens.push(ring.token);
      batch.done[chain] = 1;
      batch.chains.written[chain] = ring.written;
    }
    this.#complete();
  }

  /** In the order they were fetched, whatever the device's. */
  #complete(): void {
    for (let batch = this.#batches.at(0); batch !== undefined; batch = this.#batches.at(0)) {
      const from = batch.completed;
      while (batch.completed < batch.forwarded && batch.done[batch.completed] === 1) batch.completed++;
      if (batch.completed > from) this.#raw?.complete(batch.chains, from, batch.completed - from);
      if (batch.completed < batch.chains.count) return;
      this.#batches.shift();
      this.#spare.push(batch);
    }
  }

  #forward(): void {
    const raw = this.#raw;
    const memory = this.#memory;
    if (raw === undefined || memory === undefined) return;
    for (let more = true; more;) {
      const batch = this.#spare.pop() ?? newBatch(Math.max(segmentsPerFetch, this.ring.size));
      const count = raw.fetch(batch.chains);
      Object.assign(batch, { forwarded: 0, completed: 0 });
      batch.done.fill(0);
      while (batch.forwarded < count && this.#hand(memory, batch)) batch.forwarded++;
      more = count > 0 && batch.forwarded === count;
      if (batch.forwarded < count) {
        raw.unfetch(batch.chains, count - batch.forwarded);
        // Kicks are heard again when the device has used something.
        this.#stuck = true;
        this.#endKicks();
      }
      (batch.forwarded > 0 ? this.#batches : this.#spare).push(batch);
    }
    this.#complete();
    if (!this.ring.publish()) return;
    this.#kick?.signal();
    for (const listener of this.listeners) callApplication(listener);
  }

  /** @returns false: there is no room for it now */
  #hand(memory: MemoryMap, batch: Batch): boolean {
    const { chains, forwarded: chain } = batch;
    const segments = chains.firstSegment[chain + 1] - chains.firstSegment[chain];
    if (segments === 0 || segments > this.ring.size) {
      // Nothing that any device could do something with.
      chains.written[chain] = 0;
      batch.done[chain] = 1;
      return true;
    }
    const token = this.#freeTokens.at(-1);
    if (token === undefined || !this.ring.forward(memory, chains, chain, token)) return false;
    this.#freeTokens.pop();
    this.#tokens[token] = { batch, chain };
    return true;
  }
}

function newBatch(segments: number): Batch {
  return {
    chains: new ChainBurst(chainsPerFetch, segments),
    forwarded: 0,
    done: new Uint8Array(chainsPerFetch),
    completed: 0,
  };
}
