import { asyncError } from './async-error.ts';
import { AsyncQueue } from './async-queue.ts';
import type { DmaChannel } from './dma-channel.ts';

/** The asynchronous channels of a device, by the numbers of their rings. They outlive the rings, and the connection. */
export class AsyncChannels {
  /** Callbacks of the application's that are running. */
  calling = 0;
  readonly #allowed: boolean;
  readonly #channels = new Map<number, AsyncQueue>();

  /** @param allowed the driver's memory is pre-allocated and locked for it */
  constructor(allowed: boolean) {
    this.#allowed = allowed;
  }

  /** The channel of a ring; undefined: none is registered. */
  of(queue: number): AsyncQueue | undefined {
    return this.#channels.get(queue);
  }

  /** @throws VioError VIO_VHOST_ASYNC_CALLBACK in a callback */
  refuseInCallback(call: string): void {
    if (this.calling > 0) throw asyncError('CALLBACK', `${call} is not for callbacks`);
  }

  /** @throws VioError VIO_VHOST_ASYNC_CHANNEL when none is registered */
  find(queue: number): AsyncQueue {
    const channel = this.#channels.get(queue);
    if (channel === undefined)
      throw asyncError('CHANNEL', `ring ${queue} has no asynchronous channel: register one first`);
    return channel;
  }

  /** @throws VioError VIO_VHOST_ASYNC_OFF, VIO_VHOST_ASYNC_CHANNEL when there is one already */
  add(queue: number, dma: DmaChannel, inOrder: boolean): AsyncQueue {
    if (!this.#allowed) throw asyncError('OFF', 'the driver was registered without asynchronous copies');
    if (this.#channels.has(queue))
      throw asyncError('CHANNEL', `ring ${queue} has an asynchronous channel already`);
    const channel = new AsyncQueue(queue, dma, inOrder);
    this.#channels.set(queue, channel);
    return channel;
  }

  /** @throws VioError VIO_VHOST_ASYNC_CHANNEL, VIO_VHOST_ASYNC_INFLIGHT while it holds packets */
  remove(queue: number): void {
    const channel = this.find(queue);
    if (channel.inFlight > 0)
      throw asyncError(
        'INFLIGHT',
        `${channel.inFlight} packets of ring ${queue} are in flight or not reported`,
      );
    this.#channels.delete(queue);
    channel.end();
  }
}
