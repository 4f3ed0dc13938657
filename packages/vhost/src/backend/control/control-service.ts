import { type EventFd, FdWatcher } from '@vio/native';
import { type ControlCommand, ControlResponder } from '@vio/net';
import type { DeviceQueue, MemoryMap, QueueFault } from '@vio/rings';

export interface ControlServiceOptions {
  readonly queue: DeviceQueue;
  readonly memory: MemoryMap;
  /** Negotiated device features. */
  readonly features: bigint;
  /** What the driver kicks; null: it does not. */
  readonly kick: EventFd | null;
  /** Calls the driver. */
  readonly call: () => void;
  /** Carries out a command; false refuses it. */
  readonly execute: (command: ControlCommand) => boolean;
  readonly onBroken: (fault: QueueFault) => void;
}

/** Milliseconds between two looks at a queue whose driver does not kick (any more). */
const lookInterval = 10;

/** Answers the commands on a driver's control queue as they come, from the event loop. */
export class ControlService {
  readonly queue: DeviceQueue;
  readonly #options: ControlServiceOptions;
  readonly #responder: ControlResponder;
  #watcher: FdWatcher | null = null;
  #timer: NodeJS.Timeout | null = null;
  #again: NodeJS.Immediate | null = null;

  constructor(options: ControlServiceOptions) {
    this.queue = options.queue;
    this.#options = options;
    this.#responder = new ControlResponder(options);
    const { kick } = options;
    if (kick === null) this.#poll();
    else this.#watch(kick);
    // Commands may be waiting already, and kicks for them were meant for nobody.
    this.#soon();
  }

  /** Nothing is answered any more; the kick is not watched. */
  stop(): void {
    this.#watcher?.close();
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#again !== null) clearImmediate(this.#again);
  }

  #watch(kick: EventFd): void {
    this.#watcher = new FdWatcher(kick.fd, { readable: true }, ({ hangup }) => {
      kick.drain();
      // A pipe or a socket at whose other end nobody is stays readable for ever.
      if (hangup) {
        this.#watcher?.close();
        this.#watcher = null;
        this.#poll();
      }
      this.#serve();
    });
    // The socket of the driver keeps the process alive, if anything does.
    this.#watcher.unref();
  }

  #poll(): void {
    this.#timer = setInterval(() => this.#serve(), lookInterval).unref();
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
