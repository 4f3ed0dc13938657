import type { DeviceQueue, DeviceVringAddresses, MemoryMap } from '@vio/rings';
import { type DirtyLog, LoggedDevice } from '@vio/rings/internal';
import { VHOST_VRING_F_LOG, type VringAddress } from '../../wire/index.ts';

/** Where a ring lies that runs. */
export interface MarkedPlace {
  readonly memory: MemoryMap;
  readonly addresses: DeviceVringAddresses;
}

/** What a frontend has said of the used ring's part in the log. */
export interface MarkedRing {
  readonly addresses: VringAddress | undefined;
  /** Its addresses are I/O ones. */
  readonly translated: boolean;
  /** The application fills buffers itself: all of those that it uses are marked. */
  readonly raw: boolean;
}

/** Marks in the log what a ring's device side writes for the driver, while there is a log. */
export class RingMarking {
  /** Undefined: nothing is marked. */
  log: DirtyLog | undefined;
  /** What marks there, around the queue that runs; undefined: nothing is marked. */
  #marking: LoggedDevice | undefined;

  /** The queue, and around it what marks its writes where there is a log. */
  around(queue: DeviceQueue, place: MarkedPlace, { addresses, translated, raw }: MarkedRing): DeviceQueue {
    const bare = this.#marking?.bare ?? queue;
    this.#marking = undefined;
    if (this.log === undefined) return bare;
    const { flags = 0, log } = addresses ?? {};
    this.#marking = new LoggedDevice(bare, {
      ...place,
      log: this.log,
      whole: raw,
      // Behind an I/O MMU that is an I/O address, too: where the device area lies is known.
      ...((flags & VHOST_VRING_F_LOG) === 0 || log === undefined || translated ? {} : { deviceAddress: log }),
    });
    return this.#marking;
  }

  /** The queue is gone. */
  stop(): void {
    this.#marking = undefined;
  }

  /** Marks bytes of the used ring, or of the packed ring, as written; nothing where there is no log. */
  markUsed(offset: number, bytes: number): void {
    this.#marking?.markUsed(offset, bytes);
  }
}
