import type { NotesKernel } from '@vio/native/internal';
import { ChainBurst, type DeviceQueue, type MemoryMap } from '@vio/rings';
import { SingleBurst } from '@vio/rings/internal';
import { chainsPerBurst, segmentsPerBurst, singlesPerRun } from '../packets/burst-limits.ts';

/** Chains that one of its bursts holds: those of several runs. */
const capacity = 4 * chainsPerBurst;

/** Chains of one burst that are held: of any kind, or of one descriptor each. */
interface Held {
  chains: ChainBurst | undefined;
  singles: SingleBurst | undefined;
  from: number;
  end: number;
  /** The ones held after it. */
  next: Held | undefined;
}

/** Bursts of single chains that are kept for the next ones. */
const mostEmptySingles = 64;

/** Chains of a ring that were fetched and not completed, in order. Nothing is copied: they stay in the bursts they were fetched to. */
export class HeldChains {
  readonly #segments: number;
  /** Those fetched to last, and others that are empty. */
  #filling: ChainBurst;
  readonly #empty: ChainBurst[] = [];
  #fillingSingles: SingleBurst;
  readonly #emptySingles: SingleBurst[] = [];
  /** A list, from the first to the last: an array that is pushed to and shifted from allocates, and so does what is pushed. */
  #first: Held | undefined;
  #last: Held | undefined;
  /** Those that hold nothing, for the next ones. */
  #spare: Held | undefined;

  readonly #kernel: NotesKernel | undefined;

  /** @param size descriptors of the ring @param kernel fills bursts of single chains as well */
  constructor(size: number, kernel?: NotesKernel) {
    this.#kernel = kernel;
    this.#fillingSingles = this.#freshSingles();
    this.#segments = Math.max(segmentsPerBurst, size);
    this.#filling = this.#fresh();
  }

  /** Where the next ones are fetched to: there is room for a run, behind those that are held. */
  get filling(): ChainBurst {
    const { count, firstSegment, descriptors, segmentCapacity } = this.#filling;
    // Chains that were given back leave their descriptors counted.
    if (count === 0) this.#filling.clear();
    else if (
      capacity - count < chainsPerBurst ||
      segmentCapacity - Math.max(firstSegment[count], descriptors) < this.#segments
    )
      this.#filling = this.#empty.pop() ?? this.#fresh();
    return this.#filling;
  }

  /** Where the next ones of one descriptor each are fetched to: nothing is in there. */
  get fillingSingles(): SingleBurst {
    return this.#fillingSingles;
  }

  /** Holds chains. */
  hold(chains: ChainBurst, from: number, count: number): void {
    const last = this.#last;
    if (last !== undefined && last.chains === chains && last.end === from) last.end += count;
    else this.#append(chains, undefined, from, from + count);
  }

  /** Holds the first so many of those that were fetched to `fillingSingles`. */
  holdSingles(count: number): void {
    this.#append(undefined, this.#fillingSingles, 0, count);
    this.#fillingSingles = this.#emptySingles.pop() ?? this.#freshSingles();
  }

  /** Completes the first `count` of those that are held. A ring that is broken takes none: what was written to them is marked. */
  complete(queue: DeviceQueue, memory: MemoryMap, count: number): void {
    let left = count;
    while (left > 0 && this.#first !== undefined) {
      const held = this.#first;
      const n = Math.min(left, held.end - held.from);
      completeHeld(queue, memory, held, n);
      held.from += n;
      left -= n;
      if (held.from < held.end) return;
      this.#first = held.next;
      if (held.next === undefined) this.#last = undefined;
      this.#recycle(held.chains, held.singles);
      this.#put(held);
    }
  }

  #append(chains: ChainBurst | undefined, singles: SingleBurst | undefined, from: number, end: number): void {
    const held = this.#spare ?? emptyHeld();
    this.#spare = held.next;
    held.chains = chains;
    held.singles = singles;
    held.from = from;
    held.end = end;
    held.next = undefined;
    if (this.#last === undefined) this.#first = held;
    else this.#last.next = held;
    this.#last = held;
  }

  #put(held: Held): void {
    held.chains = undefined;
    held.singles = undefined;
    held.next = this.#spare;
    this.#spare = held;
  }

  #holds(chains: ChainBurst): boolean {
    let held = this.#first;
    while (held !== undefined && held.chains !== chains) held = held.next;
    return held !== undefined;
  }

  /** A burst that is held no more is empty, whatever the next run finds there. */
  #recycle(chains: ChainBurst | undefined, singles: SingleBurst | undefined): void {
    if (singles !== undefined && this.#emptySingles.length < mostEmptySingles)
      this.#emptySingles.push(singles);
    else if (singles !== undefined) this.#kernel?.unbind(singles.slot);
    if (chains?.capacity !== capacity || this.#holds(chains)) return;
    chains.clear();
    if (chains !== this.#filling) this.#empty.push(chains);
  }

  #freshSingles(): SingleBurst {
    const singles = new SingleBurst(singlesPerRun);
    singles.slot = this.#kernel?.bind(singles) ?? -1;
    return singles;
  }

  #fresh(): ChainBurst {
    return new ChainBurst(capacity, 2 * this.#segments);
  }
}

function emptyHeld(): Held {
  return { chains: undefined, singles: undefined, from: 0, end: 0, next: undefined };
}

function completeHeld(
  queue: DeviceQueue,
  memory: MemoryMap,
  { chains, singles, from }: Held,
  count: number,
): void {
  const broken = queue.broken !== undefined;
  if (chains !== undefined && broken) markWritten(queue, memory, chains, from, count);
  else if (chains !== undefined) queue.complete(chains, from, count);
  else if (singles !== undefined && broken) markSingles(queue, memory, singles, from, count);
  else if (singles !== undefined) queue.completeSingles(singles, from, count);
}

/** Tells the log of what was written to chains that are not completed any more. */
function markWritten(
  { log }: DeviceQueue,
  { guestBase }: MemoryMap,
  chains: ChainBurst,
  from: number,
  count: number,
): void {
  if (log === undefined) return;
  const { firstSegment, readable, window, offset, length, written } = chains;
  for (let c = from; c < from + count; c++) {
    let left = written[c];
    for (let s = firstSegment[c] + readable[c]; s < firstSegment[c + 1] && left > 0; s++) {
      log.mark(guestBase[window[s]] + offset[s], Math.min(left, length[s]));
      left -= length[s];
    }
  }
}

/** The same of chains of one descriptor each. */
function markSingles(
  { log }: DeviceQueue,
  { guestBase }: MemoryMap,
  { window, offset, written, prefix, writable }: SingleBurst,
  from: number,
  count: number,
): void {
  if (log === undefined || !writable) return;
  for (let i = from; i < from + count; i++) log.mark(guestBase[window] + offset[i] - prefix, written[i]);
}
