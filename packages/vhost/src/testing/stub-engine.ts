import { type OptionNames, checkOptions } from '@vio/native/internal';
import type { DmaEngine } from '../backend/async/dma-engine.ts';
import { numberAfter } from '../backend/async/transfers.ts';
import type { Transfers } from '../backend/async/transfers.ts';

/**
 * A promise that an engine breaks: it completes a descriptor `twice`, one it never got (`unknown`), a later one before an earlier
 * one (`order`), answers with a number that cannot be (`taken`, `completed`), or throws (`transfer`, `check`, `quiesce`).
 */
export type StubEngineFault =
  'twice' | 'unknown' | 'order' | 'taken' | 'completed' | 'transfer' | 'check' | 'quiesce';

/** How a `StubEngine` behaves. All of it may be changed while it runs. */
export interface StubEngineOptions {
  /** How often it is asked until a descriptor is completed; Infinity: never. Default 1: the next time. */
  looks?: number;
  /** Descriptors that it holds at most. Default: any number. */
  room?: number;
  /** Most that it completes at once. Default: any number. */
  step?: number;
  /** The last one first. Default false: in the order of submission. */
  reversed?: boolean;
  /** Every n-th descriptor fails. Default: none. */
  failEach?: number;
  /** What it does wrong, from now on; `order` and `twice` once there are two. Default: nothing. */
  fault?: StubEngineFault | undefined;
}

const optionNames: OptionNames<StubEngineOptions> = {
  looks: true,
  room: true,
  step: true,
  reversed: true,
  failEach: true,
  fault: true,
};

/**
 * An engine for tests. It copies when it says that it has, not before, so that a byte which arrives early is seen; delays,
 * completes out of step, refuses, fails and misbehaves as it is told.
 */
export class StubEngine implements DmaEngine {
  /** How it behaves; changed at any time. */
  readonly options: StubEngineOptions;
  /** Descriptors that it took. */
  taken = 0;
  /** Descriptors that it said are completed, those that failed included. */
  completed = 0;
  /** Descriptors that it said have failed. */
  failed = 0;
  /** Calls of `quiesce`. */
  quiesced = 0;
  /** Memories it knows. */
  readonly memories = new Map<number, Uint8Array>();
  /** True while it is configured. */
  configured = false;
  #transfers: Transfers | undefined;
  #waiting: { readonly descriptor: number; age: number }[] = [];

  /** @throws VioError VIO_OPTION_UNKNOWN */
  constructor(options: StubEngineOptions = {}) {
    checkOptions('StubEngine', options, optionNames);
    this.options = { ...options };
  }

  /** Descriptors that it has and has not completed. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** It was configured. */
  begin(transfers: Transfers): void {
    this.configured = true;
    this.#transfers = transfers;
  }

  /** It is not any more. */
  end(): void {
    this.configured = false;
  }

  /** @throws TypeError for a memory that it knows already */
  register(memory: number, buffer: ArrayBuffer, byteOffset: number, byteLength: number): void {
    if (this.memories.has(memory)) throw new TypeError(`memory ${memory} is known already`);
    this.memories.set(memory, new Uint8Array(buffer, byteOffset, byteLength));
  }

  /** @throws TypeError for a memory that it does not know */
  unregister(memory: number): void {
    if (!this.memories.delete(memory)) throw new TypeError(`memory ${memory} is not known`);
  }

  /** Takes what there is room for. @throws Error when told to */
  transferData(first: number, count: number): number {
    const { fault, room = Infinity } = this.options;
    if (fault === 'transfer') throw new Error('the stub engine throws');
    const n = Math.max(0, Math.min(count, room - this.#waiting.length));
    for (let i = 0; i < n; i++) this.#waiting.push({ descriptor: numberAfter(first, i), age: 0 });
    this.taken += n;
    return fault === 'taken' ? count + 1 : n;
  }

  /** Copies what it then says is completed. @throws Error when told to; TypeError for a copy that names memory it does not know */
  checkCompletedCopies(completed: Int32Array, max: number): number {
    const { looks = 1, step = Infinity, reversed = false, failEach = Infinity, fault } = this.options;
    if (fault === 'check') throw new Error('the stub engine throws');
    if (fault === 'completed') return -1;
    for (const each of this.#waiting) each.age++;
    const ready = this.#waiting.filter(({ age }) => age >= looks);
    if (reversed) ready.reverse();
    if (fault === 'order' && ready.length > 1) ready.reverse();
    let n = 0;
    for (const { descriptor } of ready.slice(0, Math.min(max, step))) {
      this.completed++;
      const fails = this.completed % failEach === 0;
      if (fails) this.failed++;
      else this.#copy(descriptor);
      completed[n++] = fails ? ~descriptor : descriptor;
      if (fault === 'twice' && n < max) completed[n++] = descriptor;
    }
    const said = new Set(ready.slice(0, Math.min(max, step)));
    this.#waiting = this.#waiting.filter((each) => !said.has(each));
    if (fault === 'unknown' && n < max) completed[n++] = 0x1234_5678;
    return n;
  }

  /** Forgets what it has: it moves no byte of that any more, and never did. @throws Error when told to */
  quiesce(): void {
    this.quiesced++;
    this.#waiting = [];
    if (this.options.fault === 'quiesce') throw new Error('the stub engine throws');
  }

  #copy(descriptor: number): void {
    const transfers = this.#transfers;
    if (transfers === undefined) throw new TypeError('the stub engine is not configured');
    let copy = transfers.firstCopy(descriptor);
    for (let left = transfers.copyCount(descriptor); left > 0; left--, copy = numberAfter(copy)) {
      const from = this.memories.get(transfers.source(copy));
      const to = this.memories.get(transfers.destination(copy));
      if (from === undefined || to === undefined)
        throw new TypeError('a copy names memory that is not known');
      const at = transfers.sourceOffset(copy);
      to.set(from.subarray(at, at + transfers.length(copy)), transfers.destinationOffset(copy));
    }
  }
}
