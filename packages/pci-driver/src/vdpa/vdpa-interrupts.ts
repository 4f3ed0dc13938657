import { EventFd, FdWatcher } from '@vio/native';
import type { VdpaRing } from '@vio/vhost';
import type { PciInterrupts } from '../access/pci-access.ts';
import { ISR_CONFIG, type VirtioPciDevice, noVector } from '../device/virtio-pci-device.ts';

/** How drivers are called: by a vector for each ring, handed to the kernel; or by this process, which hears of one vector, or of INTx. */
export type VdpaInterruptMode = 'per-queue' | 'shared' | 'line';

/**
 * The interrupts of a card that works on the rings of others. With a vector for each ring, the kernel signals the descriptor by which
 * that ring's driver is called, and this process hears nothing of it.
 */
export class VdpaInterrupts implements Disposable {
  readonly mode: VdpaInterruptMode | undefined;
  readonly #interrupts: PciInterrupts;
  readonly #device: VirtioPciDevice;
  readonly #rings: readonly VdpaRing[];
  readonly #watchers: FdWatcher[] = [];
  readonly #events: EventFd[] = [];
  readonly #onConfig: () => void;

  /**
   * Gives out vectors, between FEATURES_OK and DRIVER_OK. Nothing of it keeps the process alive.
   * @param onConfig the configuration may have changed
   */
  constructor(
    interrupts: PciInterrupts,
    device: VirtioPciDevice,
    rings: readonly VdpaRing[],
    onConfig: () => void,
  ) {
    this.#interrupts = interrupts;
    this.#device = device;
    this.#rings = rings;
    this.#onConfig = onConfig;
    try {
      this.mode = this.#choose();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** A ring's driver is called by another descriptor now, or (not `enabled`) by none. */
  renew(ring: VdpaRing, enabled: boolean): void {
    if (this.mode !== 'per-queue') return;
    const i = this.#rings.indexOf(ring);
    const own = this.#events[i + 1].fd;
    this.#interrupts.setVector(i + 1, enabled ? (ring.callFd ?? own) : undefined);
    // What was used meanwhile was told to nobody.
    if (enabled) ring.call();
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
    this.#interrupts.disable();
    for (const event of this.#events.splice(0)) event.close();
  }

  #choose(): VdpaInterruptMode | undefined {
    const { vectors, line } = this.#interrupts;
    const rings = this.#rings;
    if (vectors > rings.length) {
      for (let i = 0; i <= rings.length; i++) this.#events.push(EventFd.create());
      this.#interrupts.enableVectors(this.#events);
      if (this.#assign((i) => i + 1)) {
        this.#watch(0, this.#onConfig);
        for (const [i, ring] of rings.entries()) {
          if (ring.callFd === undefined) this.#watch(i + 1, () => ring.call());
          else this.#interrupts.setVector(i + 1, ring.callFd);
        }
        return 'per-queue';
      }
    }
    if (vectors > 0) {
      if (this.#events.length === 0) this.#events.push(EventFd.create());
      this.#interrupts.enableVectors(this.#events.slice(0, 1));
      if (this.#assign(() => 0)) {
        this.#watch(0, () => {
          this.#onConfig();
          this.#callAll();
        });
        return 'shared';
      }
      this.#interrupts.disable();
    }
    if (line === undefined) return undefined;
    line.enable(() => {
      if ((this.#device.readIsr() & ISR_CONFIG) !== 0) this.#onConfig();
      this.#callAll();
    });
    return 'line';
  }

  /** @returns false, and no vector in use, if the device does not take one of them (virtio 1.4, 4.1.5.1.2.2) */
  #assign(vectorOf: (i: number) => number): boolean {
    const device = this.#device;
    const taken =
      device.setConfigVector(0) === 0 &&
      this.#rings.every(({ index }, i) => device.setQueueVector(index, vectorOf(i)) === vectorOf(i));
    if (taken) return true;
    device.setConfigVector(noVector);
    for (const { index } of this.#rings) device.setQueueVector(index, noVector);
    return false;
  }

  #watch(event: number, handler: () => void): void {
    const eventFd = this.#events[event];
    const watcher = new FdWatcher(eventFd.fd, { readable: true }, () => {
      eventFd.drain();
      handler();
    });
    watcher.unref();
    this.#watchers.push(watcher);
  }

  #callAll(): void {
    for (const ring of this.#rings) ring.call();
  }
}
