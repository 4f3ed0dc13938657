import type { Transfers } from './transfers.ts';

/**
 * What copies beside the thread of JavaScript: a DMA engine, a thread, a worker. It is the application's; `CopyThread` is one.
 * `dmaConfigure` makes it known, and any number of rings may share it. The library never calls it from two threads.
 *
 * An engine that breaks a promise (completes what it has not, twice, or out of order where that was promised; answers with a number
 * that cannot be; throws) is not asked again: the calling thread copies in its place, no packet is lost, and `dmaConfigure`'s
 * `onFault` is told `VIO_VHOST_ASYNC_ENGINE`.
 */
export interface DmaEngine {
  /** It was configured: transfers will be described in these rings. */
  begin(transfers: Transfers): void;
  /**
   * A memory that copies will name by this number: a part of a buffer, a window of a driver's memory or a pool of packets. The
   * engine checks that no copy goes beyond it, and keeps the buffer until `unregister`.
   * @param memory a free number, from 0
   */
  register(memory: number, buffer: ArrayBuffer, byteOffset: number, byteLength: number): void;
  /** No copy names that memory any more. */
  unregister(memory: number): void;
  /**
   * Takes descriptors, in order. What it takes it completes some time, by itself.
   * @param first number of the first one
   * @returns how many, 0 to `count`; what it does not take the calling thread copies
   */
  transferData(first: number, count: number): number;
  /**
   * Says which descriptors were completed since the last call: all their bytes have arrived.
   * @param completed receives their numbers, `~number` for one that failed, which the calling thread copies
   * @param max most that are wanted, at least 1
   * @returns how many
   */
  checkCompletedCopies(completed: Int32Array, max: number): number;
  /**
   * Returns when no byte of what was taken is moved any more. What is not said to be completed after that never will be, and the
   * calling thread copies it. Called before a ring's memory goes away, and by `clearQueue`.
   */
  quiesce(): void;
  /** It is not configured any more; nothing is in flight. */
  end(): void;
}
