import { VioError, type WaitOptions, closeFd } from '@vio/native';
import type { InflightArea, InflightHolder, InflightNotes, PlacedQueue } from '../net-device.ts';

/**
 * Keeps the memory in which a device notes down what it has in flight (INFLIGHT_SHMFD), so that the next device can go on
 * exactly where the last one was killed. It belongs to the rings as they are: with fresh rings it goes.
 */
export class InflightKeeper implements InflightHolder, Disposable {
  #held: InflightArea | undefined;

  /** True if a device with these notes can go on with the rings as they are. */
  canResume(notes: InflightNotes | undefined): boolean {
    return this.#held !== undefined && notes !== undefined;
  }

  async ask(
    notes: InflightNotes | undefined,
    queues: readonly PlacedQueue[],
    wait: WaitOptions,
  ): Promise<void> {
    if (notes === undefined || this.#held !== undefined) return;
    const size = Math.max(...queues.map((queue) => queue.size));
    this.#held = await notes.get(queues.length, size, wait);
    // What a device says that could not make one.
    if (this.#held.mmapSize === 0) this[Symbol.dispose]();
  }

  /**
   * Before the rings start: hands the memory over, which for fresh rings is new and from the device itself. A device that
   * keeps no notes is left alone.
   */
  async hand(
    notes: InflightNotes | undefined,
    queues: readonly PlacedQueue[],
    wait: WaitOptions,
  ): Promise<void> {
    if (notes === undefined) return;
    // No turn of the event loop where nothing is to be asked: what is sent after it goes out after it.
    if (this.#held === undefined) await this.ask(notes, queues, wait);
    const held = this.#held;
    if (held === undefined) return;
    try {
      await notes.set(held, held.fd, wait);
    } catch (error) {
      // Refused: the rings must start afresh.
      if (VioError.is(error) && error.code === 'VIO_VHOST_REFUSED') this[Symbol.dispose]();
      throw error;
    }
  }

  /** Lets go of the memory: the rings are fresh ones. */
  [Symbol.dispose](): void {
    if (this.#held !== undefined) closeFd(this.#held.fd);
    this.#held = undefined;
  }
}
