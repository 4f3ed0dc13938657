import type { PacketBurst } from '@vio/net';
import { type OptionNames, checkOptions } from '@vio/native/internal';
import { showTo } from '@vio/net/internal';
import type { BufferPool } from '@vio/rings';
import { asyncError } from '../async/async-error.ts';
import { configuredDma } from '../async/dma-configure.ts';
import type { DmaEngine } from '../async/dma-engine.ts';
import { DeviceView } from './device-view.ts';
import type { ServedDevice } from './served-device.ts';
import type { Vring } from '../vring/vring.ts';

/** What an asynchronous channel is registered with. */
export interface AsyncChannelOptions {
  /** What copies; `dmaConfigure` has made it known. Rings may share one. */
  readonly engine: DmaEngine;
  /**
   * The engine promises to complete what it gets in the order in which it gets it, and is held to that. Without, it completes in
   * any order; packets are reported in the order of their submission all the same. Default false.
   */
  readonly inOrder?: boolean;
}

const optionNames: OptionNames<AsyncChannelOptions> = { engine: true, inOrder: true };

/**
 * Bursts whose packets are copied beside this thread, by an engine of the application's (rte_vhost_async.h): submitted now, and
 * reported when they have arrived. What was submitted and not reported is _in flight_.
 */
export class AsyncDevice extends DeviceView {
  readonly #served: ServedDevice;

  /** @internal Made by `VhostDriver`. */
  constructor(served: ServedDevice) {
    super(served);
    this.#served = served;
  }

  /**
   * Registers an asynchronous channel for a ring, whether that runs or not. It stays until it is unregistered.
   * @throws VioError VIO_VHOST_ASYNC_OFF without the flag `asyncCopy`, VIO_VHOST_ASYNC_CALLBACK in a callback,
   *   VIO_VHOST_ASYNC_DMA for an engine that is not configured, VIO_VHOST_ASYNC_CHANNEL for a ring that has one already or that
   *   the frontend has not named, VIO_OPTION_UNKNOWN
   */
  asyncChannelRegister(queue: number, options: AsyncChannelOptions): void {
    this.#served.async.refuseInCallback('asyncChannelRegister');
    this.asyncChannelRegisterThreadUnsafe(queue, options);
  }

  /** The same, also in callbacks. @throws as `asyncChannelRegister`, but for VIO_VHOST_ASYNC_CALLBACK */
  asyncChannelRegisterThreadUnsafe(queue: number, options: AsyncChannelOptions): void {
    checkOptions('asyncChannelRegister', options, optionNames);
    const { engine, inOrder = false } = options;
    const { async, vrings, controlQueue } = this.#served;
    const dma = configuredDma(engine);
    if (vrings[queue] === undefined || queue === controlQueue)
      throw asyncError('CHANNEL', `the device has no ring ${queue} for packets`);
    vrings[queue].setAsync(async.add(queue, dma, inOrder));
  }

  /**
   * Unregisters the channel of a ring.
   * @throws VioError VIO_VHOST_ASYNC_INFLIGHT while packets are in flight, which changes nothing, VIO_VHOST_ASYNC_CALLBACK in a
   *   callback, VIO_VHOST_ASYNC_CHANNEL when there is none
   */
  asyncChannelUnregister(queue: number): void {
    this.#served.async.refuseInCallback('asyncChannelUnregister');
    this.asyncChannelUnregisterThreadUnsafe(queue);
  }

  /** The same, also in callbacks. @throws as `asyncChannelUnregister`, but for VIO_VHOST_ASYNC_CALLBACK */
  asyncChannelUnregisterThreadUnsafe(queue: number): void {
    this.#served.async.remove(queue);
    this.#served.vrings[queue]?.setAsync(undefined);
  }

  /**
   * Submits packets to a receive queue of the driver (an even ring), as `enqueueBurst` delivers them. They and their buffers stay
   * as they are until `pollEnqueueCompleted` or `clearQueue` reports them. Packets that no buffer of the driver can hold are
   * dropped, counted, and reported like others. What the engine does not take this thread copies.
   * @returns how many were submitted; fewer than `count` when the driver supplied too few buffers, or too many are in flight
   * @throws VioError VIO_VHOST_ASYNC_CHANNEL when no channel is registered
   */
  submitEnqueueBurst(queue: number, burst: PacketBurst, from = 0, count = burst.count - from): number {
    const channel = this.#served.async.find(queue);
    const { pool } = burst;
    const vring = this.#served.vrings[queue];
    const path = vring?.enqueue;
    if (path === undefined || !vring.enabled || !vring.inUse || count <= 0 || pool === undefined) return 0;
    const n = channel.submit(pool, burst, from, count);
    if (this.#served.iommu !== undefined) path.queue.lookAhead();
    this.#show(queue, burst, from, from + n);
    this.#look(vring);
    return n;
  }

  /**
   * Looks which packets have arrived, and gives them back to the application, in the order of their submission: their buffers,
   * not what was said of them. A burst has one pool, so packets of another come with the next call.
   * @returns how many, which is also `burst.count`
   * @throws VioError VIO_VHOST_ASYNC_CHANNEL when no channel is registered
   */
  pollEnqueueCompleted(queue: number, burst: PacketBurst, max = burst.capacity): number {
    const channel = this.#served.async.find(queue);
    burst.count = 0;
    if (queue % 2 !== 0) return 0;
    channel.poll();
    this.#look(this.#served.vrings[queue]);
    return channel.reportSent(burst, max);
  }

  /**
   * Submits up to `max` packets of a transmit queue of the driver (an odd ring), to buffers of `pool`, and takes those that have
   * arrived, as `dequeueBurst` takes packets: they belong to the caller then.
   * @returns how many have arrived, which is also `burst.count`; `asyncGetInflight` says how many have not
   * @throws VioError VIO_VHOST_ASYNC_CHANNEL when no channel is registered
   */
  tryDequeueBurst(queue: number, pool: BufferPool, burst: PacketBurst, max = burst.capacity): number {
    const served = this.#served;
    const channel = served.async.find(queue);
    const vring = served.vrings[queue];
    const path = vring?.dequeue;
    burst.count = 0;
    burst.pool = pool;
    if (queue % 2 === 0) return 0;
    if (path !== undefined && vring.inUse) {
      if (!vring.enabled) {
        channel.clear();
        path.drain();
        if (path.queue.callNeeded()) vring.calls.signal();
      } else if (served.rarp !== undefined && max > 0 && path.inject(pool, burst, served.rarp)) {
        served.rarp = undefined;
        this.#show(queue, burst, 0, burst.count);
        return burst.count;
      } else channel.fetch(pool, burst, max);
      if (served.iommu !== undefined) path.queue.lookAhead();
    }
    channel.poll();
    this.#look(vring);
    const n = channel.reportTaken(burst, max);
    this.#show(queue, burst, 0, n);
    return n;
  }

  /**
   * Packets of a ring that are in flight: submitted, and not reported.
   * @throws VioError VIO_VHOST_ASYNC_CALLBACK in a callback, VIO_VHOST_ASYNC_CHANNEL when no channel is registered
   */
  asyncGetInflight(queue: number): number {
    this.#served.async.refuseInCallback('asyncGetInflight');
    return this.asyncGetInflightThreadUnsafe(queue);
  }

  /** The same, also in callbacks. @throws VioError VIO_VHOST_ASYNC_CHANNEL when no channel is registered */
  asyncGetInflightThreadUnsafe(queue: number): number {
    return this.#served.async.find(queue).inFlight;
  }

  /**
   * Takes back what is in flight on a ring, whether that runs or not: what the engine does not complete this thread copies, so
   * that all of it has arrived when this returns. Called until it returns 0, it leaves nothing in flight. Buffers of an odd ring
   * belong to the caller then.
   * @returns how many, which is also `burst.count`
   * @throws VioError VIO_VHOST_ASYNC_CALLBACK in a callback, VIO_VHOST_ASYNC_CHANNEL when no channel is registered
   */
  clearQueue(queue: number, burst: PacketBurst, max = burst.capacity): number {
    this.#served.async.refuseInCallback('clearQueue');
    return this.clearQueueThreadUnsafe(queue, burst, max);
  }

  /** The same, also in callbacks. @throws VioError VIO_VHOST_ASYNC_CHANNEL when no channel is registered */
  clearQueueThreadUnsafe(queue: number, burst: PacketBurst, max = burst.capacity): number {
    const channel = this.#served.async.find(queue);
    burst.count = 0;
    channel.clear();
    return queue % 2 === 0 ? channel.reportSent(burst, max) : channel.reportTaken(burst, max);
  }

  #show(queue: number, burst: PacketBurst, from: number, end: number): void {
    const { taps } = this.#served;
    if (taps !== undefined) showTo(taps.of(queue), burst, from, end);
  }

  /** Looks whether a ring broke, and now and then at the driver's memory. */
  #look(vring: Vring | undefined): void {
    const fault = vring?.queue?.broken;
    if (vring !== undefined && fault !== undefined) this.#served.break(vring, fault);
    this.#served.burstDone();
  }
}
