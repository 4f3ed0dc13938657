import { EventFd } from '@vio/native';
import type { Region, RingFeatures } from '@vio/rings';
import { ControlQueue } from '../../control/control-queue.ts';
import type { Notifier } from '../../queue/queue-options.ts';
import type { PlacedQueue } from '../net-device.ts';

export interface ControlRingOptions {
  /** Which virtqueue it is: the one behind those of all pairs the device has. */
  readonly index: number;
  /** Descriptors. */
  readonly size: number;
  readonly region: Region;
  /** The address by which the device knows offset 0 of the region. */
  readonly address: bigint;
  /** Byte offset; `ControlQueue.bytes` of the region are used. */
  readonly offset: number;
  readonly features: RingFeatures;
  /** What tells the device of commands; undefined: an eventfd. */
  readonly notifier: (queue: number, nextAvailable: () => number) => Notifier | undefined;
}

/** The control queue of a device that has one, in the memory of the port. */
export class ControlRing implements Disposable {
  readonly index: number;
  readonly #options: ControlRingOptions;
  readonly #kick: EventFd | undefined;
  readonly #notifier: Notifier;
  #queue: ControlQueue;

  constructor(options: ControlRingOptions) {
    this.index = options.index;
    this.#options = options;
    const own = options.notifier(options.index, () => this.#queue.ring.nextAvailable());
    this.#kick = own === undefined ? EventFd.create() : undefined;
    this.#notifier = own ?? this.#kick ?? { signal: () => {} };
    this.#queue = this.#fresh();
  }

  get queue(): ControlQueue {
    return this.#queue;
  }

  /** As the device is told of it. Nobody calls for it: it is polled. */
  get placed(): PlacedQueue {
    const { size, base, addresses } = this.#queue.ring;
    return {
      index: this.index,
      size,
      base,
      addresses,
      kick: this.#kick,
      call: undefined,
      waiting: () => false,
    };
  }

  /** For a device that starts anew: an empty ring in the same place; commands under way are over. */
  renew(): void {
    this.#queue.close();
    this.#queue = this.#fresh();
  }

  [Symbol.dispose](): void {
    this.#queue.close();
    this.#kick?.close();
  }

  #fresh(): ControlQueue {
    const { region, offset, size, features, address } = this.#options;
    region.u8.fill(0, offset, offset + ControlQueue.bytes(features, size));
    return new ControlQueue({
      region,
      offset,
      size,
      features,
      address: Number(address),
      kick: this.#notifier,
    });
  }
}
