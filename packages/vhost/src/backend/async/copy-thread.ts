import {
  type CopyQueue,
  type OptionNames,
  checkOptions,
  nativeCopyQueue,
  twinCopyQueue,
} from '@vio/native/internal';
import { VioError } from '@vio/native';
import type { DmaEngine } from './dma-engine.ts';
import { type Transfers, numberAfter, numbersFrom } from './transfers.ts';

/** How a `CopyThread` works. */
export interface CopyThreadOptions {
  /** Microseconds for which it looks for work until it sleeps, to be woken by a system call. Default 50. */
  readonly spin?: number;
}

const optionNames: OptionNames<CopyThreadOptions> = { spin: true };
const defaultSpin = 50;

/**
 * The engine that comes along: a native thread, which copies in order beside the thread of JavaScript. Its queue is a ring without
 * locks; submitting takes one call for all descriptors, asking none. It sleeps when there is nothing to do. With
 * `VIO_KERNELS=typescript` in the environment it copies at once, in the thread that submits.
 */
export class CopyThread implements DmaEngine {
  readonly #spin: number;
  #queue: CopyQueue | undefined;
  #seen = 0;
  #failures = 0;

  private constructor(spin: number) {
    this.#spin = spin;
  }

  /**
   * Makes the engine; the thread begins with `dmaConfigure`, and ends with `dmaUnconfigure`.
   * @throws VioError VIO_OPTION_UNKNOWN, VIO_OPTION_VALUE
   */
  static create(options: CopyThreadOptions = {}): CopyThread {
    checkOptions('CopyThread.create', options, optionNames);
    const { spin = defaultSpin } = options;
    if (!(spin >= 0 && spin <= 1e9))
      throw new VioError(`CopyThread.create cannot have a spin of ${spin}`, {
        code: 'VIO_OPTION_VALUE',
        remedy: 'give microseconds, 0 to a thousand million',
      });
    return new CopyThread(spin);
  }

  /** The thread begins. @throws VioError VIO_SYS_EAGAIN when there can be no more threads */
  begin(transfers: Transfers): void {
    this.#seen = 0;
    this.#failures = 0;
    this.#queue =
      process.env['VIO_KERNELS'] === 'typescript'
        ? twinCopyQueue(transfers)
        : nativeCopyQueue(transfers, this.#spin);
  }

  /** Makes a memory known. @throws VioError VIO_MEMORY_RANGE */
  register(memory: number, buffer: ArrayBuffer, byteOffset: number, byteLength: number): void {
    this.#queue?.register(memory, buffer, byteOffset, byteLength);
  }

  /** Forgets a memory. */
  unregister(memory: number): void {
    this.#queue?.unregister(memory);
  }

  /** Takes all descriptors. */
  transferData(first: number, count: number): number {
    if (this.#queue === undefined) return 0;
    this.#queue.submit(numberAfter(first, count));
    return count;
  }

  /** Says which are done, in order. */
  checkCompletedCopies(completed: Int32Array, max: number): number {
    const queue = this.#queue;
    if (queue === undefined) return 0;
    const first = this.#seen;
    const ready = numbersFrom(first, queue.done());
    const count = ready < max ? ready : max;
    for (let i = 0; i < count; i++) completed[i] = numberAfter(first, i);
    // Hardly ever: only then is each of them looked at.
    if (queue.failures() !== this.#failures)
      for (let i = 0; i < count; i++) {
        if (!queue.failed(completed[i])) continue;
        completed[i] = ~completed[i];
        this.#failures = (this.#failures + 1) | 0;
      }
    this.#seen = numberAfter(first, count);
    return count;
  }

  /** Waits until the thread has done what it has: some microseconds. */
  quiesce(): void {
    this.#queue?.drain();
  }

  /** The thread ends. */
  end(): void {
    this.#queue?.stop();
    this.#queue = undefined;
  }
}
