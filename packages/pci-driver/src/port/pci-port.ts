import { type VioError, type WaitOptions, checkWait } from '@vio/native';
import {
  type ControlQueue,
  type Duplex,
  NetPort,
  type NetPortParts,
  type QueuePair,
  type RssLimits,
  STATUS_NEEDS_RESET,
  rarpFrame,
} from '@vio/net';
import { VIRTIO_F_RING_RESET } from '@vio/rings';
import type { AccessKind, DmaMemory, PciAccess } from '../access/pci-access.ts';
import { disableBusMaster } from '../access/config-space.ts';
import { cannotResetQueues, pciError } from '../access/pci-errors.ts';
import { resetDevice, resetQueue } from '../device/life-cycle.ts';
import { ModernDevice } from '../device/modern-device.ts';
import type { VirtioPciDevice } from '../device/virtio-pci-device.ts';
import type { InterruptMode, PortInterrupts } from './interrupts.ts';
import type { PlacedQueue } from './queues.ts';
import { readNetConfig } from './net-config.ts';

const stopMilliseconds = 1000;
/** What the vendor of a device reads as when there is no device. */
const noVendor = 0xffff;

/** What a started device consists of. */
export interface StartedDevice {
  readonly access: PciAccess;
  readonly device: VirtioPciDevice;
  readonly dma: DmaMemory;
  readonly interrupts: PortInterrupts;
  readonly pairs: readonly QueuePair[];
  readonly placed: readonly PlacedQueue[];
  readonly controlQueue: ControlQueue | null;
  /** Milliseconds between two looks at the device, whatever it interrupts for: a dead one does not interrupt. */
  readonly watchInterval: number;
}

/** What the device says of itself. */
export interface PortAbilities {
  readonly speed: number;
  readonly duplex: Duplex;
  readonly mtu: number | null;
  readonly rss: RssLimits | null;
}

/** A virtio-net port on a PCI device. Made by `openPciPort`; everything it holds goes with `close`. */
export class PciPort extends NetPort implements AsyncDisposable {
  /** As in `0000:00:04.0`. */
  readonly address: string;
  /** How the device is reached. */
  readonly access: AccessKind;
  /** Driven by modern registers, or by legacy ones. */
  readonly modern: boolean;
  /** How the device asks for attention. */
  readonly interruptMode: InterruptMode;
  /** Mbit/s and duplex, as the devargs or else the device say. */
  readonly speed: number;
  /** Duplex of the link, as the device says it. */
  readonly duplex: Duplex;
  /** As the device says; null: it does not. */
  readonly mtu: number | null;
  /** What its receive side scaling can do; null: it has none, or the port has one queue pair. */
  readonly rss: RssLimits | null;
  /** How often the device had the port make itself known to the network. */
  announcements = 0;
  readonly #started: StartedDevice;
  readonly #watch: NodeJS.Timeout;
  #failed = false;
  #announcing = false;
  #closing: Promise<void> | null = null;

  constructor(parts: NetPortParts, started: StartedDevice, abilities: PortAbilities) {
    super(parts);
    const { access, device, interrupts } = started;
    this.address = access.address;
    this.access = access.kind;
    this.modern = device.modern;
    this.interruptMode = interrupts.mode;
    this.speed = abilities.speed;
    this.duplex = abilities.duplex;
    this.mtu = abilities.mtu;
    this.rss = abilities.rss;
    this.#started = started;
    this.#watch = setInterval(() => this.#look(), started.watchInterval).unref();
    interrupts.start(
      () => this.#look(),
      (pair) => this.rx[pair].armInterrupt(),
    );
    access.onRemovalRequest(() => this.lose());
    this.#look();
  }

  /** For its device: it is gone, or about to go. The link is down for good, and tells. */
  lose(cause?: unknown): void {
    this.#fail(goneError(this.address, cause));
  }

  /**
   * Resets the two queues of a pair and sets them up anew, while the others go on: the way out for a broken queue. What
   * was on them is lost. Nobody may receive on the pair meanwhile. A failure takes the link down for good, since nobody knows then what the device still uses.
   * @param pair 0 or more @param wait milliseconds for each queue, default 3000
   * @throws VioError VIO_FEATURE_MISSING without RING_RESET, VIO_PCI_RESET_TIMEOUT, VIO_ABORTED, VIO_DEVICE_GONE
   */
  async restartPair(pair: number, wait: WaitOptions = {}): Promise<void> {
    checkWait('restartPair', wait);
    if (!(pair in this.rx)) throw new RangeError(`the port has no queue pair ${pair}`);
    const { device, interrupts, pairs, placed } = this.#started;
    if (!(device instanceof ModernDevice) || (this.features & VIRTIO_F_RING_RESET) === 0n) {
      throw cannotResetQueues();
    }
    const queues = placed.slice(2 * pair, 2 * pair + 2);
    this.tx[pair].pause();
    try {
      for (const { index } of queues) await resetQueue(device, index, wait);
      pairs[pair].restart();
      interrupts.assign(pair);
      for (const { index, place } of queues) device.enableQueue(index, place);
    } catch (cause) {
      this.lose(cause);
      throw cause;
    }
    this.rx[pair].fill();
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
    const { interrupts, controlQueue } = this.#started;
    this.end();
    controlQueue?.close();
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
      // A mapped register may answer even when the kernel has taken the device away.
      if (this.#started.access.config.read(0, 2) === noVendor) return this.lose();
      const { status } = this.#started.device;
      // Every register of a device that was pulled out reads as ones, or as zeroes once its mapping is gone.
      if (status === 0xff || status === 0) return this.lose();
      if ((status & STATUS_NEEDS_RESET) !== 0) return this.#fail(needsResetError(this.address));
      const { linkUp, announce } = readNetConfig(this.#started.device, this.features);
      this.setLink({ up: linkUp });
      if (announce) void this.#announce();
    } catch (cause) {
      this.lose(cause);
    }
  }

  #fail(reason: VioError): void {
    if (this.#failed || this.closed) return;
    this.#failed = true;
    this.#started.controlQueue?.close();
    this.setLink({ up: false, reason });
  }

  /** Lets the network see the port's address, then tells the device so (5.1.9.5.4.1). Comes again if it fails. */
  async #announce(): Promise<void> {
    if (this.#announcing) return;
    this.#announcing = true;
    try {
      await this.send(rarpFrame(this.mac));
      await this.control.acknowledgeAnnounce();
      this.announcements++;
    } catch {
      // The device still asks at the next look; a port that is closed meanwhile does not look any more.
    } finally {
      this.#announcing = false;
    }
  }
}

/** The device lets go of memory, then memory goes. */
export async function stopDevice({
  access,
  device,
  dma,
}: Pick<StartedDevice, 'access' | 'device' | 'dma'>): Promise<void> {
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
