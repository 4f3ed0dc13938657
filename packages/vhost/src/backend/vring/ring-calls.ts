import type { EventFd } from '@vio/native';
import type { DeviceQueue } from '@vio/rings';

/** Who has a say in the calls of a driver. */
export interface CallHooks {
  /** True: the application calls the driver itself, later. */
  notify(queue: number): boolean;
  /** It was called. */
  notified(): void;
}

/** What a driver is called by: an eventfd, or what does the same. */
export interface Call {
  /** undefined: it has none. */
  readonly fd?: number;
  /** What the descriptor is of. */
  readonly kind?: EventFd['kind'];
  signal(): void;
  close(): void;
}

/** The calls (interrupts) of one ring: by which its driver is told of what was used. */
export class RingCalls {
  /** Calls made so far. */
  count = 0;
  readonly #index: number;
  readonly #hooks: CallHooks;
  #call: Call | undefined;
  /**
   * The driver was called since there is this descriptor, or was to be and there is none: by the next one it is called again. Whoever
   * gives two may listen to the second alone. QEMU does, which gives a started ring's driver another one right after the kick.
   */
  #told = false;

  constructor(index: number, hooks: CallHooks) {
    this.#index = index;
    this.#hooks = hooks;
  }

  /** The driver's descriptor; undefined: it has none. Stays this side's. */
  get fd(): number | undefined {
    return this.#call?.fd;
  }

  /** The same where it is an eventfd, which a kernel takes; undefined: it has none. */
  get eventFd(): number | undefined {
    return this.#call?.kind === 'eventfd' ? this.#call.fd : undefined;
  }

  /** Takes another descriptor, and closes the one there was. */
  replace(call: Call | undefined): void {
    const told = this.#told;
    this.#told = false;
    this.#call?.close();
    this.#call = call;
    if (call !== undefined && told) this.signal();
  }

  /** Calls the driver, unless the application does so itself, later. */
  signal(): void {
    this.#told = true;
    if (this.#call !== undefined && !this.#hooks.notify(this.#index)) this.now();
  }

  /** Calls the driver. @returns false: there is nothing to call it by */
  now(): boolean {
    if (this.#call === undefined) return false;
    this.count++;
    this.#call.signal();
    this.#hooks.notified();
    return true;
  }

  /**
   * The driver of a ring that is resumed may sleep since the predecessor died between marking buffers used and calling it: it is
   * called once.
   */
  resume(queue: DeviceQueue): void {
    this.#told = false;
    if (queue.resumed && queue.callWanted()) this.signal();
  }
}
