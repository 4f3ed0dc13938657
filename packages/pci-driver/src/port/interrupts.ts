import { EventFd, FdWatcher } from '@vio/native';
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
  readonly rxCall: readonly EventFd[];
  readonly #interrupts: PciInterrupts;
  readonly #device: VirtioPciDevice;
  readonly #events: EventFd[] = [];
  #stop: (() => void)[] = [];

  /**
   * Gives out vectors, as many as there are: a device that has none left for a queue makes the whole port share one.
   * To be called between FEATURES_OK and DRIVER_OK.
   */
  constructor(interrupts: PciInterrupts, device: VirtioPciDevice, pairs: number) {
    this.#interrupts = interrupts;
    this.#device = device;
    this.rxCall = Array.from({ length: pairs }, () => this.#event());
    try {
      this.mode = this.#choose(pairs);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Begins to listen. Nothing of it keeps the process alive.
   * @param onConfig the configuration may have changed @param waiting whether a pair's used buffers wait to be taken
   */
  start(onConfig: () => void, waiting: (pair: number) => boolean): void {
    if (this.mode === 'per-queue') {
      this.#watch(this.#events[this.rxCall.length], onConfig);
    } else if (this.mode === 'shared') {
      this.#watch(this.#events[this.rxCall.length], () => {
        onConfig();
        this.#signalAll();
      });
    } else if (this.mode === 'line') {
      this.#interrupts.enableLine(() => {
        if ((this.#device.readIsr() & ISR_CONFIG) !== 0) onConfig();
        this.#signalAll();
      });
    } else {
      const timer = setInterval(() => {
        for (const [pair, event] of this.rxCall.entries()) if (waiting(pair)) event.signal();
      }, pollInterval).unref();
      this.#stop.push(() => clearInterval(timer));
    }
  }

  /** Gives a pair whose queues were reset the vector it had. */
  assign(pair: number): void {
    if (this.mode === 'per-queue') this.#device.setQueueVector(2 * pair, pair + 1);
    else if (this.mode === 'shared') this.#device.setQueueVector(2 * pair, 0);
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
      this.#interrupts.enableVectors([this.#event(), ...this.rxCall]);
      if (this.#assign((pair) => pair + 1, pairs)) return 'per-queue';
    }
    if (vectors > 0) {
      this.#interrupts.enableVectors([this.#events[pairs] ?? this.#event()]);
      if (this.#assign(() => 0, pairs)) return 'shared';
      this.#interrupts.disable();
    }
    return line ? 'line' : 'polled';
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
    for (const event of this.rxCall) event.signal();
  }
}
