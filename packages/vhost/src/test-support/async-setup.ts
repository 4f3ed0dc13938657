import { PacketBurst } from '@vio/net';
import { readFrames } from '@vio/net/testing';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { dmaConfigure } from '../backend/async/dma-configure.ts';
import { StubEngine, type StubEngineOptions } from '../testing/stub-engine.ts';
import { packetPool, packetsOf } from './packets.ts';
import { Pair, type PairOptions } from './pair.ts';

/** Of a backend whose packets may be copied beside this thread. */
export const asyncFlags = { asyncCopy: true, lock: false };
/** Bytes of the header in front of a packet. */
export const header = 12;

/** A pair whose rings copy by a stub engine. */
export class AsyncSetup implements AsyncDisposable {
  readonly pair: Pair;
  readonly engine: StubEngine;
  readonly pool = packetPool(64);
  readonly burst = new PacketBurst(64);
  readonly faults: string[] = [];

  private constructor(pair: Pair, engine: StubEngine) {
    this.pair = pair;
    this.engine = engine;
    dmaConfigure(engine, { onFault: ({ code, message }) => this.faults.push(`${code} ${message}`) });
  }

  static async start(
    options: StubEngineOptions = {},
    pair: PairOptions = {},
    inOrder = true,
  ): Promise<AsyncSetup> {
    const setup = new AsyncSetup(
      await Pair.start({ ...pair, flags: { ...asyncFlags, ...pair.flags } }),
      new StubEngine(options),
    );
    for (const queue of [0, 1])
      setup.pair.device.asyncChannelRegister(queue, { engine: setup.engine, inOrder });
    return setup;
  }

  get device() {
    return this.pair.device;
  }

  /** Submits packets to ring 0, from `pool`. @returns how many */
  submit(...packets: Uint8Array[]): number {
    return this.device.submitEnqueueBurst(0, packetsOf(this.pool, ...packets));
  }

  /** What is reported of ring 0; the buffers go back to the pool. @returns the packets' lengths */
  poll(): number[] {
    this.device.pollEnqueueCompleted(0, this.burst);
    return this.#lengths();
  }

  /** What is left in flight of a ring is copied now, and reported. @returns as `poll` */
  clear(queue = 0): number[] {
    this.device.clearQueue(queue, this.burst);
    return this.#lengths();
  }

  /** Takes what has arrived from ring 1. */
  take(): Uint8Array[] {
    this.device.tryDequeueBurst(1, this.pool, this.burst);
    const packets = readFrames(this.burst);
    this.burst.release();
    return packets;
  }

  #lengths(): number[] {
    const lengths = [...this.burst.length.subarray(0, this.burst.count)];
    this.burst.release();
    return lengths;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pair[Symbol.asyncDispose]();
  }
}

export const formats = [
  ['split', VIRTIO_F_VERSION_1],
  ['packed', VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED],
] as const;
