import { type ControlCommand, ControlResponder } from '@vio/net';
import type { DeviceQueue, MemoryMap, QueueFault } from '@vio/rings';

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
  readonly queue: DeviceQueue;
  readonly #options: ControlServiceOptions;
  readonly #responder: ControlResponder;
  readonly #endKicks: () => void;
  #again: NodeJS.Immediate | null = null;

  constructor(options: ControlServiceOptions) {
    this.queue = options.queue;
    this.#options = options;
    this.#responder = new ControlResponder(options);
    this.#endKicks = options.onKick(() => this.#serve());
    // Commands may be waiting already, and kicks for them were meant for nobody.
    this.#soon();
  }

  /** Nothing is answered any more. */
  stop(): void {
    this.#endKicks();
    if (this.#again !== null) clearImmediate(this.#again);
  }

  #serve(): void {
    const { queue } = this;
    let waiting = false;
    try {
      this.#responder.serve();
      waiting = queue.armKick();
    } finally {
      if (queue.callNeeded()) this.#options.call();
      if (queue.broken !== null) this.#options.onBroken(queue.broken);
      // A driver that is faster than us does not keep the others waiting.
      else if (waiting) this.#soon();
    }
  }

  #soon(): void {
    this.#again ??= setImmediate(() => {
      this.#again = null;
      this.#serve();
    });
  }
}
