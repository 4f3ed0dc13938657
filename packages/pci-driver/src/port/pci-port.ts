import type { VioError } from '@vio/native';
import { NetPort, type NetPortParts } from '@vio/net';
import type { AccessKind, DmaMemory, PciAccess } from '../access/pci-access.ts';
import { disableBusMaster } from '../access/config-space.ts';
import { pciError } from '../access/pci-errors.ts';
import { NEEDS_RESET, resetDevice } from '../device/life-cycle.ts';
import type { VirtioPciDevice } from '../device/virtio-pci-device.ts';
import type { InterruptMode, PortInterrupts } from './interrupts.ts';
import { type LinkSpeed, readLinkUp } from './net-config.ts';

const stopMilliseconds = 1000;
/** How often the status of the device is looked at, whatever it interrupts for: a dead one does not interrupt. */
const watchInterval = 1000;

/** What a started device consists of. */
export interface StartedDevice {
  readonly access: PciAccess;
  readonly device: VirtioPciDevice;
  readonly dma: DmaMemory;
  readonly interrupts: PortInterrupts;
}

/** A virtio-net port on a PCI device. Made by `openPciPort`; everything it holds goes with `close`. */
export class PciPort extends NetPort implements AsyncDisposable {
  /** As in `0000:00:04.0`. */
  readonly address: string;
  readonly access: AccessKind;
  /** Driven by modern registers, or by legacy ones. */
  readonly modern: boolean;
  readonly interruptMode: InterruptMode;
  /** Mbit/s and duplex, as the devargs or else the device say. */
  readonly speed: LinkSpeed['speed'];
  readonly duplex: LinkSpeed['duplex'];
  /** As the device says; null: it does not. */
  readonly mtu: number | null;
  readonly #started: StartedDevice;
  readonly #watch: NodeJS.Timeout;
  #failed = false;
  #closing: Promise<void> | null = null;

  constructor(
    parts: NetPortParts,
    started: StartedDevice,
    link: LinkSpeed & { readonly mtu: number | null },
  ) {
    super(parts);
    const { access, device, interrupts } = started;
    this.address = access.address;
    this.access = access.kind;
    this.modern = device.modern;
    this.interruptMode = interrupts.mode;
    this.speed = link.speed;
    this.duplex = link.duplex;
    this.mtu = link.mtu;
    this.#started = started;
    this.#watch = setInterval(() => this.#look(), watchInterval).unref();
    interrupts.start(
      () => this.#look(),
      (pair) => this.rx[pair].armInterrupt(),
    );
    this.#look();
  }

  /**
   * Resets the device and gives everything back. A device that hangs is cut off from memory instead. Idempotent, never
   * throws.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { interrupts } = this.#started;
    this.end();
    clearInterval(this.#watch);
    interrupts.stop();
    await stopDevice(this.#started);
    interrupts[Symbol.dispose]();
    this.removeAllListeners();
  }

  /** Is it still there, healthy, and its link up? */
  #look(): void {
    if (this.#failed || this.closed) return;
    try {
      const { status } = this.#started.device;
      // Every register of a device that was pulled out reads as ones, or as zeroes once its mapping is gone.
      if (status === 0xff || status === 0) return this.#fail(goneError(this.address));
      if ((status & NEEDS_RESET) !== 0) return this.#fail(needsResetError(this.address));
      const up = readLinkUp(this.#started.device, this.features);
      this.setLink(up ? { up } : { up, reason: linkDownError(this.address) });
    } catch (cause) {
      this.#fail(goneError(this.address, cause));
    }
  }

  #fail(reason: VioError): void {
    this.#failed = true;
    this.setLink({ up: false, reason });
  }
}

/** The device lets go of memory, then memory goes. */
export async function stopDevice({ access, device, dma }: Omit<StartedDevice, 'interrupts'>): Promise<void> {
  try {
    await resetDevice(device, { timeout: stopMilliseconds });
  } catch {
    try {
      disableBusMaster(access.config);
    } catch {
      // It is gone, and reaches nothing.
    }
  }
  dma.close();
  access.close();
}

function goneError(address: string, cause?: unknown): VioError {
  return pciError(
    'VIO_DEVICE_GONE',
    `the device ${address} does not answer any more`,
    'it was removed or taken away: close the port, and open it anew when it is back',
    cause,
  );
}

function needsResetError(address: string): VioError {
  return pciError(
    'VIO_PCI_NEEDS_RESET',
    `the device ${address} has failed and asks for a reset (DEVICE_NEEDS_RESET)`,
    'close the port and open it anew, which resets the device; packets under way are lost',
  );
}

function linkDownError(address: string): VioError {
  return pciError('VIO_PCI_LINK_DOWN', `the link of ${address} is down`, 'wait until it is up again');
}
