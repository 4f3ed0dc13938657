import { copyPairs, longestCopy, notesJob, throwLater } from '@vio/native/internal';
import type { VioError } from '@vio/native';
import type { Region } from '@vio/rings';
import { asyncError } from './async-error.ts';
import type { DmaEngine } from './dma-engine.ts';
import { type CopyRun, Transfers, numberAfter, numbersFrom } from './transfers.ts';

/** Memories that an engine knows at once: windows of 1 GiB of all drivers, and pools. */
const mostMemories = 8192;

/** Who is told when a transfer is completed. */
export interface TransferOwner {
  /** Completions have to come in the order of submission. */
  readonly inOrder: boolean;
  /** True when nothing that was submitted before the entry is still to be completed. */
  isNext(entry: number): boolean;
  /** All bytes of an entry have arrived. */
  completed(entry: number): void;
  /** The same of so many entries, from this one on. */
  completedRun(entry: number, count: number): void;
}

interface Memory {
  readonly bytes: Uint8Array;
  users: number;
}

const outstanding = 1;
const done = 2;

/** An engine that was configured, what it was given, and what it has not completed yet. */
export class DmaChannel {
  readonly transfers: Transfers;
  /** Rings that copy by it. */
  users = 0;
  readonly #engine: DmaEngine;
  readonly #onFault: ((error: VioError) => void) | undefined;
  /** By descriptor: whose it is, which entry of that, and how far it is. */
  readonly #owner: (TransferOwner | undefined)[];
  readonly #entry: Int32Array;
  readonly #state: Uint8Array;
  readonly #completed: Int32Array;
  readonly #memories: (Memory | undefined)[] = [];
  /** Numbers of pairs of memories, by `pairKey`, and those that are free again. */
  readonly #pairs = new Map<number, number>();
  readonly #freePairs: number[] = [];
  /** Descriptors from `tail` on are outstanding, those from `submitted` on are only described; then copies of the next one. */
  #tail = 0;
  #submitted = 0;
  #head = 0;
  #firstCopy = 0;
  #copyHead = 0;
  #copyTail = 0;
  #fault: VioError | undefined;

  constructor(engine: DmaEngine, descriptors: number, onFault?: (error: VioError) => void) {
    this.#engine = engine;
    this.#onFault = onFault;
    this.transfers = new Transfers(descriptors);
    this.#owner = Array.from({ length: descriptors }, () => undefined);
    this.#entry = new Int32Array(descriptors);
    this.#state = new Uint8Array(descriptors);
    this.#completed = new Int32Array(descriptors);
    engine.begin(this.transfers);
  }

  /** Why the engine is not asked any more; undefined: it is. */
  get fault(): VioError | undefined {
    return this.#fault;
  }

  /** Descriptors that were submitted and are not completed, and those behind the first of them. */
  get inFlight(): number {
    return numbersFrom(this.#tail, this.#submitted);
  }

  /** Descriptors there is room for. */
  get room(): number {
    return this.transfers.capacity - numbersFrom(this.#tail, this.#head);
  }

  /** Makes a memory known. @returns its number; -1: there are too many, or the engine will not have it */
  register({ arrayBuffer, u8: bytes }: Region): number {
    const { byteOffset, byteLength } = bytes;
    const memories = this.#memories;
    const known = memories.findIndex(
      (memory) =>
        memory !== undefined &&
        memory.bytes.buffer === arrayBuffer &&
        memory.bytes.byteOffset === byteOffset &&
        memory.bytes.byteLength === byteLength,
    );
    const same = memories[known];
    if (same !== undefined) {
      same.users++;
      return known;
    }
    const free = memories.indexOf(undefined);
    const number = free === -1 ? memories.length : free;
    if (number === mostMemories || this.#fault !== undefined) return -1;
    if (!this.#ask('register', () => this.#engine.register(number, arrayBuffer, byteOffset, byteLength)))
      return -1;
    memories[number] = { bytes, users: 1 };
    return number;
  }

  /** One of those who named a memory does not any more. */
  unregister(number: number): void {
    const memory = this.#memories[number];
    if (memory === undefined || --memory.users > 0) return;
    this.#memories[number] = undefined;
    for (const [key, pair] of this.#pairs)
      if (key % mostMemories === number || Math.floor(key / mostMemories) === number) {
        this.#pairs.delete(key);
        this.#freePairs.push(pair);
      }
    this.#ask('unregister', () => this.#engine.unregister(number));
  }

  /** @returns what copies call these two memories, until one of them is not known any more; -1: there are too many such pairs */
  pair(source: number, destination: number): number {
    const key = source * mostMemories + destination;
    return this.#pairs.get(key) ?? this.#newPair(key);
  }

  #newPair(key: number): number {
    const pair = this.#freePairs.pop() ?? this.#pairs.size;
    if (pair === copyPairs) return -1;
    this.#pairs.set(key, pair);
    this.transfers.name(pair, Math.floor(key / mostMemories), key % mostMemories);
    return pair;
  }

  /** Notes a copy of the next descriptor. @returns false: there is no room for it, or it is too long */
  note(source: number, from: number, destination: number, to: number, bytes: number): boolean {
    if (
      this.#fault !== undefined ||
      bytes > longestCopy ||
      numbersFrom(this.#copyTail, this.#copyHead) === this.transfers.copyCapacity
    )
      return false;
    const pair = this.pair(source, destination);
    if (pair === -1) return false;
    this.transfers.note(this.#copyHead, pair, from, to, bytes);
    this.#copyHead = numberAfter(this.#copyHead);
    return true;
  }

  /** Ends a descriptor: the copies that were noted since the last one. @returns false: there were none, or there is no room for it */
  describe(owner: TransferOwner, entry: number): boolean {
    const copies = numbersFrom(this.#firstCopy, this.#copyHead);
    if (copies === 0) return false;
    const head = this.#head;
    if (numbersFrom(this.#tail, head) === this.transfers.capacity) {
      this.#copyAll(this.#firstCopy, copies);
      this.#copyHead = this.#firstCopy;
      return false;
    }
    const at = head & (this.transfers.capacity - 1);
    // A store of the same object is dearer than a look.
    if (this.#owner[at] !== owner) this.#owner[at] = owner;
    this.#entry[at] = entry;
    this.#state[at] = outstanding;
    this.transfers.describe(head, this.#firstCopy, copies);
    this.#head = numberAfter(head);
    this.#firstCopy = this.#copyHead;
    return true;
  }

  /** True when so many descriptors, with so many copies in all, may be described now: the last one has ended, and there is room. */
  takesRun(count: number, copies: number): boolean {
    const { capacity, copyCapacity } = this.transfers;
    return (
      this.#fault === undefined &&
      this.#firstCopy === this.#copyHead &&
      numbersFrom(this.#tail, this.#head) + count <= capacity &&
      numbersFrom(this.#copyTail, this.#copyHead) + copies <= copyCapacity
    );
  }

  /** Describes so many descriptors, for entries from this one on. */
  describeRun(owner: TransferOwner, entry: number, run: CopyRun, count: number): void {
    this.described(owner, entry, count, this.transfers.noteRun(this.#head, this.#copyHead, run, count));
  }

  /** Says to a kernel where its descriptors and copies go, as `notesJob` has it. @returns false: none may be described now */
  lend(job: Int32Array): boolean {
    job[notesJob.descriptor] = this.#head;
    job[notesJob.copy] = this.#copyHead;
    const room = this.transfers.copyCapacity - numbersFrom(this.#copyTail, this.#copyHead);
    job[notesJob.copyRoom] = room;
    // Where there is none, packets go the other ways, which copy in this thread then.
    return room > 0 && this.#fault === undefined && this.#firstCopy === this.#copyHead;
  }

  /** So many descriptors with so many copies are written, for entries from this one on: by a kernel, or here. */
  described(owner: TransferOwner, entry: number, count: number, copies: number): void {
    const mask = this.transfers.capacity - 1;
    const owners = this.#owner;
    const entries = this.#entry;
    const state = this.#state;
    const head = this.#head;
    for (let i = 0; i < count; i++) {
      const at = (head + i) & mask;
      if (owners[at] !== owner) owners[at] = owner;
      entries[at] = (entry + i) & mask;
      state[at] = outstanding;
    }
    this.#head = numberAfter(head, count);
    this.#copyHead = numberAfter(this.#copyHead, copies);
    this.#firstCopy = this.#copyHead;
  }

  /** Gives the engine what was described. What it does not take is done when this returns. */
  submit(): void {
    const count = numbersFrom(this.#submitted, this.#head);
    if (count === 0) return;
    const first = this.#submitted;
    let taken = 0;
    if (this.#fault === undefined) {
      try {
        taken = this.#engine.transferData(first, count);
      } catch (error) {
        this.#submitted = this.#head;
        this.#fail('it threw in transferData', error);
        return;
      }
      if (!(Number.isInteger(taken) && taken >= 0 && taken <= count)) {
        // Nobody knows what it has taken: all of it is copied once it has come to rest.
        this.#submitted = this.#head;
        this.#fail(`transferData answered ${String(taken)}, having been given ${count} descriptors`);
        return;
      }
    }
    this.#submitted = this.#head;
    for (let i = taken; i < count; i++) this.#finish(numberAfter(first, i));
    this.#settle();
  }

  /** Asks the engine what it has completed, and tells the owners. */
  poll(): void {
    if (this.#tail === this.#submitted || this.#fault !== undefined) return;
    const completed = this.#completed;
    let count: number;
    try {
      count = this.#engine.checkCompletedCopies(completed, completed.length);
    } catch (error) {
      return this.#fail('it threw in checkCompletedCopies', error);
    }
    if (!(Number.isInteger(count) && count >= 0 && count <= completed.length))
      return this.#fail(
        `checkCompletedCopies answered ${String(count)}, asked for ${completed.length} at most`,
      );
    for (let i = this.#completeRuns(completed, count); i < count; i++) {
      const wrong = this.#complete(completed[i]);
      if (wrong !== undefined) return this.#fail(wrong);
    }
    this.#settle();
  }

  /**
   * Descriptors that were completed in order, from the first that is in flight on, are told in runs of one owner.
   * @returns how many of them are dealt with
   */
  #completeRuns(completed: Int32Array, count: number): number {
    const mask = this.transfers.capacity - 1;
    const state = this.#state;
    const entries = this.#entry;
    const owners = this.#owner;
    const { inFlight } = this;
    const most = count < inFlight ? count : inFlight;
    let tail = this.#tail;
    let i = 0;
    while (i < most && completed[i] === tail) {
      const owner = owners[tail & mask];
      const first = entries[tail & mask];
      if (owner === undefined || (owner.inOrder && !owner.isNext(first))) break;
      let n = 0;
      for (; i < most && completed[i] === tail; n++, i++) {
        const at = tail & mask;
        if (state[at] !== outstanding || owners[at] !== owner || entries[at] !== ((first + n) & mask)) break;
        tail = numberAfter(tail);
      }
      // The first of them was completed before, out of order.
      if (n === 0) break;
      owner.completedRun(first, n);
    }
    this.#tail = tail;
    return i;
  }

  /** Returns when nothing is in flight. What the engine does not complete is copied by this thread. */
  quiesce(): void {
    if (this.#tail === this.#submitted) return;
    if (!this.#ask('quiesce', () => this.#engine.quiesce())) return;
    this.poll();
    this.#finishAll();
  }

  /** A ring copies by it no more; it has nothing in flight. */
  leave(owner: TransferOwner): void {
    this.users--;
    for (let at = this.#owner.indexOf(owner); at !== -1; at = this.#owner.indexOf(owner, at))
      this.#owner[at] = undefined;
  }

  /** The engine is let go; nothing is in flight. */
  end(): void {
    this.#ask('end', () => this.#engine.end());
  }

  /** @returns what the engine did wrong; undefined: nothing */
  #complete(said: number): string | undefined {
    const failed = said < 0;
    const number = failed ? ~said : said;
    const at = number & (this.transfers.capacity - 1);
    if (numbersFrom(this.#tail, number) >= this.inFlight || this.#state[at] !== outstanding)
      return `descriptor ${number} was completed, which was not in flight: never, or twice`;
    const owner = this.#owner[at];
    if (owner?.inOrder === true && !owner.isNext(this.#entry[at]))
      return `descriptor ${number} was completed before earlier ones, and inOrder was promised`;
    if (failed) this.#copy(number);
    this.#tell(at);
    return undefined;
  }

  /** Does in this thread what was submitted and is not done. */
  #finishAll(): void {
    for (let n = this.#tail; n !== this.#submitted; n = numberAfter(n))
      if (this.#state[n & (this.transfers.capacity - 1)] === outstanding) this.#finish(n);
    this.#settle();
  }

  #finish(number: number): void {
    this.#copy(number);
    this.#tell(number & (this.transfers.capacity - 1));
  }

  #tell(at: number): void {
    this.#state[at] = done;
    this.#owner[at]?.completed(this.#entry[at]);
  }

  /** What is done up to the first that is not makes room. */
  #settle(): void {
    let tail = this.#tail;
    while (tail !== this.#submitted && this.#state[tail & (this.transfers.capacity - 1)] === done)
      tail = numberAfter(tail);
    this.#tail = tail;
    this.#copyTail = tail === this.#head ? this.#firstCopy : this.transfers.firstCopy(tail);
  }

  #copy(number: number): void {
    this.#copyAll(this.transfers.firstCopy(number), this.transfers.copyCount(number));
  }

  #copyAll(first: number, count: number): void {
    const { transfers } = this;
    for (let i = 0, copy = first; i < count; i++, copy = numberAfter(copy)) {
      const from = this.#memories[transfers.source(copy)];
      const to = this.#memories[transfers.destination(copy)];
      const at = transfers.sourceOffset(copy);
      to?.bytes.set(
        from?.bytes.subarray(at, at + transfers.length(copy)) ?? [],
        transfers.destinationOffset(copy),
      );
    }
  }

  #ask(what: string, ask: () => void): boolean {
    try {
      ask();
      return true;
    } catch (error) {
      this.#fail(`it threw in ${what}`, error);
      return false;
    }
  }

  /** The engine is not trusted any more: it comes to rest, and this thread does what it has not done. */
  #fail(what: string, cause?: unknown): void {
    if (this.#fault !== undefined) return;
    const error = asyncError('ENGINE', `a DMA engine does not keep its promise: ${what}`, cause);
    this.#fault = error;
    try {
      this.#engine.quiesce();
    } catch {
      // It is told that it breaks its promises, once.
    }
    this.#finishAll();
    const tell = this.#onFault;
    if (tell === undefined) throwLater(error);
    // Not in the middle of a burst: whoever is told may take back what is in flight, and let the engine go.
    else process.nextTick(tell, error);
  }
}
