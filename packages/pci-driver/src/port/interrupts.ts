import { EventFd, FdWatcher } from '@vio/native';
import type { PlacedQueue } from '@vio/net';
import type { PciInterrupts } from '../access/pci-access.ts';
import { ISR_CONFIG, type VirtioPciDevice, noVector } from '../device/virtio-pci-device.ts';

/**
 * How a port hears of its device: a vector for each receive queue and one for the configuration; one vector for all;
 * the shared INTx; or not at all, so that it looks by itself.
 */
export type InterruptMode = 'per-queue' | 'shared' | 'line' | 'polled';

/** How often a port without interrupts looks, in milliseconds. */
const pollInterval = 1;

/**
 * The interrupts of a port. The receive queues' eventfds are signalled in every mode; what waits for one need not know
 * which it is.
 */
export class PortInterrupts implements Disposable {
  readonly mode: InterruptMode;
  /** By queue pair. */
  readonly #rxCall: readonly EventFd[];
  readonly #queues: readonly PlacedQueue[];
  readonly #interrupts: PciInterrupts;
  readonly #device: VirtioPciDevice;
  readonly #events: EventFd[] = [];
  #configEvent: EventFd | undefined;
  #stop: (() => void)[] = [];

  /**
   * Gives out vectors, as many as there are: a device that has none left for a queue makes the whole port share one.
   * To be called between FEATURES_OK and DRIVER_OK.
   * @param queues those that receive, by queue pair
   */
  constructor(interrupts: PciInterrupts, device: VirtioPciDevice, queues: readonly PlacedQueue[]) {
    this.#interrupts = interrupts;
    this.#device = device;
    this.#queues = queues;
    this.#rxCall = queues.map(({ call }) => call ?? this.#event());
    try {
      this.mode = this.#choose(queues.length);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Begins to listen. Nothing of it keeps the process alive.
   * @param onConfig the configuration may have changed
   */
  start(onConfig: () => void): void {
    if (this.mode === 'per-queue') {
      this.#watch(this.#config, onConfig);
    } else if (this.mode === 'shared') {
      this.#watch(this.#config, () => {
        onConfig();
        this.#signalAll();
      });
    } else if (this.mode === 'line') {
      this.#interrupts.line?.enable(() => {
        if ((this.#device.readIsr() & ISR_CONFIG) !== 0) onConfig();
        this.#signalAll();
      });
    } else {
      const timer = setInterval(() => {
        for (const { waiting, call } of this.#queues) if (waiting()) call?.signal();
      }, pollInterval).unref();
      this.#stop.push(() => clearInterval(timer));
    }
  }

  /** Gives a queue that was reset the vector it had: those that receive have one. @param queue its number */
  assign(queue: number): void {
    if (queue % 2 !== 0) return;
    if (this.mode === 'per-queue') this.#device.setQueueVector(queue, queue / 2 + 1);
    else if (this.mode === 'shared') this.#device.setQueueVector(queue, 0);
  }

  /** No interrupt is handled any more. */
  stop(): void {
    for (const stop of this.#stop) stop();
    this.#stop = [];
    this.#interrupts.disable();
  }

  [Symbol.dispose](): void {
    this.stop();
    for (const event of this.#events) event.close();
  }

  #choose(pairs: number): InterruptMode {
    const { vectors, line } = this.#interrupts;
    if (vectors > pairs) {
      this.#interrupts.enableVectors([this.#config, ...this.#rxCall]);
      if (this.#assign((pair) => pair + 1, pairs)) return 'per-queue';
    }
    if (vectors > 0) {
      this.#interrupts.enableVectors([this.#config]);
      if (this.#assign(() => 0, pairs)) return 'shared';
      this.#interrupts.disable();
    }
    return line !== undefined ? 'line' : 'polled';
  }

  /** @returns false, and no vector in use, if the device does not take one of them (4.1.5.1.2.2) */
  #assign(vectorOf: (pair: number) => number, pairs: number): boolean {
    const device = this.#device;
    let taken = device.setConfigVector(0) === 0;
    for (let pair = 0; pair < pairs && taken; pair++) {
      taken = device.setQueueVector(2 * pair, vectorOf(pair)) === vectorOf(pair);
    }
    if (taken) return true;
    device.setConfigVector(noVector);
    for (let pair = 0; pair < pairs; pair++) device.setQueueVector(2 * pair, noVector);
    return false;
  }

  /** Signalled with the vector of the configuration. */
  get #config(): EventFd {
    this.#configEvent ??= this.#event();
    return this.#configEvent;
  }

  #event(): EventFd {
    const event = EventFd.create();
    this.#events.push(event);
    return event;
  }

  #watch(event: EventFd, handler: () => void): void {
    const watcher = new FdWatcher(event.fd, { readable: true }, () => {
      event.drain();
      handler();
    });
    watcher.unref();
    this.#stop.push(() => watcher.close());
  }

  #signalAll(): void {
    for (const event of this.#rxCall) event.signal();
  }
}
