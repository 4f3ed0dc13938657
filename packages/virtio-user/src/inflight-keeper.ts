import { VioError, type WaitOptions, closeFd } from '@vio/native';
import type { DriverQueue } from '@vio/rings';
import type { InflightArea, VhostTransport } from '@vio/vhost';

/**
 * Keeps the buffer in which a backend notes down what it has in flight (INFLIGHT_SHMFD), so that the next backend can go
 * on exactly where the last one was killed. It belongs to the rings as they are: with fresh rings it goes.
 */
export class InflightKeeper implements Disposable {
  #held: InflightArea | null = null;

  /** True if a backend of this transport can go on with the rings as they are. */
  canResume(transport: VhostTransport): boolean {
    return this.#held !== null && transport.hasInflight === true;
  }

  /**
   * Before the rings start: hands the buffer over, which for fresh rings is a new one from the backend itself. A backend
   * that has none is left alone.
   */
  async hand(transport: VhostTransport, rings: readonly DriverQueue[], wait: WaitOptions): Promise<void> {
    if (transport.hasInflight !== true) return;
    if (this.#held === null) {
      const size = Math.max(...rings.map((ring) => ring.size));
      this.#held = (await transport.getInflight?.(rings.length, size, wait)) ?? null;
      // What a backend says that could not make one.
      if (this.#held?.mmapSize === 0) this[Symbol.dispose]();
    }
    const held = this.#held;
    if (held === null) return;
    try {
      await transport.setInflight?.(held, held.fd, wait);
    } catch (error) {
      // Refused: the rings must start afresh.
      if (VioError.is(error) && error.code === 'VIO_VHOST_REFUSED') this[Symbol.dispose]();
      throw error;
    }
  }

  /** Lets go of the buffer: the rings are fresh ones. */
  [Symbol.dispose](): void {
    if (this.#held !== null) closeFd(this.#held.fd);
    this.#held = null;
  }
}
