import { EventFd } from '@vio/native';
import { ControlQueue } from '@vio/net';
import type { Region, RingFeatures } from '@vio/rings';

export interface ControlRingOptions {
  /** Which virtqueue it is: the one behind those of all pairs the backend has. */
  readonly index: number;
  readonly region: Region;
  /** Byte offset; `ControlQueue.bytes` of the region are used. */
  readonly offset: number;
  readonly features: RingFeatures;
}

/** The control queue of a backend that has one, in the memory of the port. */
export class ControlRing implements Disposable {
  readonly index: number;
  readonly kick = EventFd.create();
  readonly #options: ControlRingOptions;
  #queue: ControlQueue;

  constructor(options: ControlRingOptions) {
    this.index = options.index;
    this.#options = options;
    this.#queue = this.#fresh();
  }

  get queue(): ControlQueue {
    return this.#queue;
  }

  /** For a device that starts anew: an empty ring in the same place; commands under way are over. */
  renew(): void {
    this.#queue.close();
    this.#queue = this.#fresh();
  }

  [Symbol.dispose](): void {
    this.#queue.close();
    this.kick.close();
  }

  #fresh(): ControlQueue {
    const { region, offset, features } = this.#options;
    region.u8.fill(0, offset, offset + ControlQueue.bytes(features));
    return new ControlQueue({ region, offset, features, kick: this.kick });
  }
}
