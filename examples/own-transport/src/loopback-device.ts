// The transport: what a driver asks of a device, and what this one answers.
import type { VioError } from '@vio/native';
import {
  type DeviceMemory,
  type DeviceSetup,
  type MemoryRequest,
  type NetDevice,
  type QueueSizeRequest,
  sharedMemory,
} from '@vio/net';
import { VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { Loop } from './loop.ts';

/** Descriptors of a ring, where nobody wishes for another number. */
const usualSize = 256;

/** A device in this process: what it is sent comes back. */
export class LoopbackDevice implements NetDevice {
  readonly traits = { wanted: 0n, needed: VIRTIO_F_VERSION_1, own: 0n };
  /** It has no way of ending by itself. */
  readonly down = undefined;
  #features = 0n;
  #loop: Loop | undefined;

  async features(): Promise<bigint> {
    return Promise.resolve(VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER);
  }

  async accept(features: bigint): Promise<void> {
    this.#features = features;
    return Promise.resolve();
  }

  async maxPairs(): Promise<number> {
    return Promise.resolve(1);
  }

  queueSize({ wanted = usualSize }: QueueSizeRequest): number {
    return wanted;
  }

  /** Offsets are addresses. A device elsewhere would be sent the descriptor of this memory. */
  allocate(request: MemoryRequest): DeviceMemory {
    return sharedMemory(request);
  }

  /** It is told by the eventfds that `start` brings. */
  kick(): undefined {
    return undefined;
  }

  async start({ memory, queues }: DeviceSetup): Promise<void> {
    this.#loop = new Loop(memory.buffer, queues, this.#features);
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#loop?.[Symbol.dispose]();
    this.#loop = undefined;
    return Promise.resolve();
  }

  onDown(_handler: (reason: VioError) => void): () => void {
    return () => {};
  }

  close(): void {
    this.#loop?.[Symbol.dispose]();
    this.#loop = undefined;
  }
}
