import { STATUS_DRIVER_OK, headerSize } from '@vio/net/internal';
import { FakePciDevice, type FakeOptions } from './fake-pci-device.ts';
import { FakeWire } from './fake-wire.ts';

/** A fake network card whose cable ends in a mirror: every frame comes back. Resets of queues take a moment. */
export class EchoCard extends FakePciDevice {
  #wire: FakeWire | undefined;
  /** Frames for which the driver has had no buffer yet. */
  readonly #waiting: Uint8Array[] = [];
  /** Queues that were reset and are not enabled yet. */
  readonly #reset = new Set<number>();
  readonly #resets: NodeJS.Timeout;
  #turn: NodeJS.Immediate | undefined;

  constructor(options: FakeOptions) {
    super(options);
    this.onNotify = () => {
      this.#turn ??= setImmediate(() => this.#work());
    };
    this.#resets = setInterval(() => this.#endResets(), 1).unref();
  }

  override close(): void {
    clearInterval(this.#resets);
    clearImmediate(this.#turn);
    super.close();
  }

  #work(): void {
    this.#turn = undefined;
    if ((this.status & STATUS_DRIVER_OK) === 0 || this.#reset.size > 0) return;
    this.#wire ??= new FakeWire(this, this.dmaAddress, headerSize(this.driverFeatures));
    for (let again = true; again;) {
      this.#wire.collect();
      this.#waiting.push(...this.#wire.sent.splice(0));
      while (this.#waiting.length > 0 && this.#wire.deliver(this.#waiting[0])) this.#waiting.shift();
      const { frames, room } = this.#wire.arm();
      again = frames || (room && this.#waiting.length > 0);
    }
  }

  #endResets(): void {
    for (const [index, queue] of this.queues.entries()) {
      if (queue.resetting) {
        Object.assign(queue, { resetting: false, enabled: false, vector: 0xffff });
        this.#reset.add(index);
      } else if (this.#reset.has(index) && queue.enabled) {
        this.#wire?.renew(index);
        this.#reset.delete(index);
        this.onNotify(index, index, 2);
      }
    }
  }
}
