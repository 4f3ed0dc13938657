import type { PortCore } from './port-core.ts';
import type { RxCalls } from './rx-calls.ts';

/**
 * The interrupt of one receive queue, for programs with a wait of their own; `NetPort.untilPackets` is made of the same.
 * The race that loses wake-ups is the packet that comes between the last poll and `enable`: no interrupt follows for it,
 * and `enable` says so.
 *
 * ```ts
 * const interrupt = port.rxInterrupt(0);
 * interrupt.onSignal(() => {
 *   do drain(port.rx[0]); // until receive finds nothing
 *   while (interrupt.enable());
 * });
 * if (interrupt.enable()) drain(port.rx[0]);
 * ```
 */
export class RxInterrupt {
  readonly #port: PortCore;
  readonly #pair: number;
  readonly #calls: RxCalls;
  #enabled = false;
  #handler: (() => void) | undefined;
  #endListening: () => void = () => {};

  /** @internal `NetPort.rxInterrupt` gives them. */
  constructor(port: PortCore, pair: number, calls: RxCalls) {
    this.#port = port;
    this.#pair = pair;
    this.#calls = calls;
    // Rings built anew are silent; and who waits for packets wants to know that the link has changed.
    port.on('link', () => {
      if (this.#enabled && !port.closed) {
        calls.settle();
        port.rx[pair].armInterrupt();
      }
      this.#handler?.();
    });
  }

  /** The eventfd that the device signals: readable when there was an interrupt. Belongs to the port. */
  get fd(): number {
    return this.#calls.fd(this.#pair);
  }

  /** The device has been asked for interrupts. */
  get enabled(): boolean {
    return this.#enabled;
  }

  /**
   * Asks the device for an interrupt at the next packet. It stays enabled until `disable`.
   * @returns true if packets are waiting already: receive them first, no interrupt will come for those
   */
  enable(): boolean {
    this.#enabled = true;
    this.#calls.settle();
    return this.#port.rx[this.#pair].sleep();
  }

  /** Asks for silence: what a loop that polls wants. An interrupt may still be under way. */
  disable(): void {
    this.#enabled = false;
    this.#port.rx[this.#pair].disarmInterrupt();
  }

  /**
   * Calls the handler on the event loop after every interrupt, and when the link changes, the end of the port included. There is
   * one handler, the last that was given. While there is one, the process does not end by itself.
   * @returns takes the handler back
   */
  onSignal(handler: () => void): () => void {
    this.#endListening();
    const end = this.#calls.listen(this.#pair, handler);
    this.#handler = handler;
    this.#endListening = end;
    return () => {
      end();
      if (this.#endListening === end) this.#handler = undefined;
    };
  }
}
