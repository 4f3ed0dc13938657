import type { ControlCommand } from '@vio/net';
import { ControlResponder } from '@vio/net/internal';
import type { DeviceQueue, MemoryMap, QueueFault } from '@vio/rings';
import { KickLoop } from '../raw/kick-loop.ts';

export interface ControlServiceOptions {
  readonly queue: DeviceQueue;
  readonly memory: MemoryMap;
  /** Negotiated device features. */
  readonly features: bigint;
  /** Calls a listener after every kick of the driver, until what it returns is called. */
  readonly onKick: (listener: () => void) => () => void;
  /** Calls the driver. */
  readonly call: () => void;
  /** Carries out a command; false refuses it. */
  readonly execute: (command: ControlCommand) => boolean;
  readonly onBroken: (fault: QueueFault) => void;
}

/** Answers the commands on a driver's control queue as they come, from the event loop. */
export class ControlService {
  readonly #options: ControlServiceOptions;
  readonly #responder: ControlResponder;
  readonly #loop: KickLoop;

  constructor(options: ControlServiceOptions) {
    this.#options = options;
    this.#responder = new ControlResponder(options);
    this.#loop = new KickLoop(options.onKick, () => this.#serve());
  }

  get queue(): DeviceQueue {
    return this.#responder.queue;
  }

  /** Goes on with another view of the same ring. */
  work(queue: DeviceQueue): void {
    this.#responder.queue = queue;
  }

  /** Something that a command waited for has come. */
  lookAgain(): void {
    this.#loop.lookAgain();
  }

  /** Nothing is answered any more. */
  stop(): void {
    this.#loop.stop();
  }

  /** @returns true when commands wait already */
  #serve(): boolean {
    const { queue } = this;
    let waiting = false;
    try {
      this.#responder.serve();
      waiting = queue.armKick() && !queue.missing;
    } finally {
      if (queue.callNeeded()) this.#options.call();
      if (queue.broken !== undefined) this.#options.onBroken(queue.broken);
    }
    return waiting && queue.broken === undefined;
  }
}
