import type { VioError, WaitOptions } from '@vio/native';
import { callApplication } from '@vio/native/internal';
import {
  type DeviceConfig,
  type DeviceControl,
  type DeviceMemory,
  type DeviceSetup,
  type DeviceTraits,
  type MemoryRequest,
  type NetDevice,
  type Notifier,
  type PlacedQueue,
  type QueueReset,
  type QueueSizeRequest,
  VIRTIO_NET_F_CTRL_VQ,
  DownEvent,
} from '@vio/net';
import { VIRTIO_F_ACCESS_PLATFORM } from '@vio/rings';
import { disableBusMaster } from '../access/config-space.ts';
import type { PciAccess } from '../access/pci-access.ts';
import { deviceGone, needsReset } from '../access/pci-errors.ts';
import { healthOf, isThere, watch } from '../device/liveness.ts';
import { acceptFeatures, driverOk, fail, meet, resetDevice, resetQueue } from '../device/life-cycle.ts';
import { openVirtioDevice } from '../device/open-device.ts';
import type { VirtioPciDevice } from '../device/virtio-pci-device.ts';
import { type InterruptMode, PortInterrupts } from './interrupts.ts';
import { KickRelay } from './kick-relay.ts';
import { readNetConfig } from './net-config.ts';
import { chooseQueueSize } from './queue-size.ts';

/** How a card is looked after. */
export interface PciNetDeviceOptions {
  /** Milliseconds between two looks at the device, whatever it interrupts for: a dead one does not interrupt. Default 1000. */
  readonly watchInterval?: number | undefined;
  /** Gets a line when there are fewer interrupts than wished. */
  readonly log?: ((line: string) => void) | undefined;
}

/** A virtio-net card, by its modern or its legacy registers. */
export class PciNetDevice implements NetDevice {
  /** How it is reached. */
  readonly access: PciAccess;
  /** Its registers, modern or legacy. */
  readonly registers: VirtioPciDevice;
  readonly traits: DeviceTraits;
  readonly control: DeviceControl = {
    queue: { features: VIRTIO_NET_F_CTRL_VQ, channel: undefined },
    substitute: undefined,
  };
  readonly config: DeviceConfig = {
    // Out of a promise, as the registers of a device that was pulled out may throw.
    read: async (features) => Promise.resolve(readNetConfig(this.registers, features)),
    onChange: (handler) => {
      this.#onConfig.add(handler);
      return () => this.#onConfig.delete(handler);
    },
  };
  readonly #options: PciNetDeviceOptions;
  readonly #down = new DownEvent();
  readonly #onConfig = new Set<() => void>();
  #base = 0n;
  #interrupts: PortInterrupts | undefined;
  #relay: KickRelay | undefined;
  #watch: NodeJS.Timeout | undefined;
  /** It has been given queues, and has not been reset since. */
  #started = false;
  #open = true;

  /** The device is the caller's, who closes `access`, if this throws. @throws VioError VIO_PCI_* */
  constructor(access: PciAccess, options: PciNetDeviceOptions = {}) {
    this.access = access;
    this.#options = options;
    this.registers = openVirtioDevice(access);
    this.traits = this.registers.traits;
    access.onRemovalRequest(() => this.#lose());
  }

  get down(): VioError | undefined {
    return this.#down.reason;
  }

  /** How it is heard; once it is started. */
  get interruptMode(): InterruptMode {
    return this.#interrupts?.mode ?? 'polled';
  }

  async features(wait: WaitOptions): Promise<bigint> {
    await resetDevice(this.registers, wait);
    return meet(this.registers);
  }

  accept(features: bigint): Promise<void> {
    return attempt(() => acceptFeatures(this.registers, features));
  }

  maxPairs(): Promise<number> {
    return attempt(() => readNetConfig(this.registers, this.registers.getFeatures()).maxPairs);
  }

  queueSize(request: QueueSizeRequest): number {
    const { resizable } = this.registers;
    return chooseQueueSize({ ...request, most: this.registers.queueSize(request.queue), resizable });
  }

  /** Pinned as a whole, whatever it may grow to: the device reaches all of it from the start. */
  allocate({ bytes, features, hugepages }: MemoryRequest): DeviceMemory {
    const physical = (features & VIRTIO_F_ACCESS_PLATFORM) === 0n;
    const dma = this.access.allocateDma(bytes, physical, hugepages);
    this.#base = dma.address;
    return { ...dma, ready: dma.buffer.byteLength };
  }

  /** Notifications come out of a poll loop, which a device that was pulled out must not throw into. */
  kick(queue: number, nextAvailable: () => number): Notifier {
    const notifier = this.registers.notifier(queue, nextAvailable);
    return {
      signal: () => {
        try {
          notifier.signal();
        } catch (cause) {
          this.#lose(cause);
        }
      },
    };
  }

  async start({ queues, control }: DeviceSetup, wait: WaitOptions): Promise<void> {
    const all = control === undefined ? queues : [...queues, control];
    const received = queues.filter(({ index }) => index % 2 === 0);
    try {
      this.#interrupts = new PortInterrupts(this.access.interrupts, this.registers, received);
      this.#logInterrupts(received.length);
      this.#started = true;
      for (const queue of all) this.#enable(queue);
      driverOk(this.registers);
      this.#relay = new KickRelay(all, (queue) => this.kick(queue, () => 0));
      this.#interrupts.start(() => this.#look());
      this.#watch = watch(() => this.#look(), this.#options.watchInterval);
      this.#look();
    } catch (error) {
      await this.stop(wait);
      throw error;
    }
  }

  /** Resets the device. One that hangs is cut off from memory instead. */
  async stop(wait: WaitOptions): Promise<void> {
    if (!this.#open) return;
    clearInterval(this.#watch);
    this.#relay?.[Symbol.dispose]();
    this.#interrupts?.stop();
    try {
      await resetDevice(this.registers, wait);
    } catch {
      try {
        disableBusMaster(this.access.config);
      } catch {
        // It is gone, and reaches nothing.
      }
    }
    this.#started = false;
    this.#interrupts?.[Symbol.dispose]();
  }

  onDown(handler: (reason: VioError) => void): () => void {
    return this.#down.subscribe(handler);
  }

  /** A device that was never started is given up as FAILED. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.#interrupts === undefined) failQuietly(this.registers);
    this.#down.close();
    this.#onConfig.clear();
    this.access.close();
  }

  /** A failure takes the device down for good, since nobody knows then what it still uses. */
  get reset(): QueueReset | undefined {
    const { registers } = this;
    if (registers.queueReset === undefined) return undefined;
    return {
      take: (queue, wait) => this.#orLose(() => resetQueue(registers, queue, wait)),
      give: (queue) =>
        this.#orLose(() =>
          attempt(() => {
            this.#interrupts?.assign(queue.index);
            this.#enable(queue);
          }),
        ),
    };
  }

  async #orLose(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (cause) {
      this.#lose(cause);
      throw cause;
    }
  }

  /** Offsets in the memory are told as the device's addresses. */
  #enable({ index, size, addresses }: PlacedQueue): void {
    const at = (offset: number): bigint => this.#base + BigInt(offset);
    const { descriptors, driver, device } = addresses;
    const place = { size, descriptors: at(descriptors), driver: at(driver), device: at(device) };
    this.registers.enableQueue(index, place);
  }

  /** Is it still there, and healthy? Then its configuration may have changed. */
  #look(): void {
    if (!this.#started || this.down !== undefined) return;
    try {
      if (!isThere(this.access)) return this.#lose();
      const health = healthOf(this.registers.status);
      if (health === 'gone') return this.#lose();
      if (health === 'needs reset') return this.#fail(needsReset(this.access.address));
    } catch (cause) {
      return this.#lose(cause);
    }
    for (const handler of this.#onConfig) callApplication(handler);
  }

  /** It is gone, or about to go. */
  #lose(cause?: unknown): void {
    this.#fail(deviceGone(this.access.address, cause));
  }

  #fail(reason: VioError): void {
    if (this.#open) this.#down.tell(reason);
  }

  #logInterrupts(pairs: number): void {
    const how = {
      'per-queue': '',
      shared: 'one vector serves all queues and the link',
      line: 'INTx serves all queues and the link',
      polled: 'the queues are looked at every millisecond, the link every second',
    }[this.interruptMode];
    if (how === '') return;
    const { address, interrupts } = this.access;
    const vectors = `${interrupts.vectors} usable MSI-X vectors of ${pairs + 1} wished`;
    this.#options.log?.(`virtio: ${address} has ${vectors}: ${how}`);
  }
}

/** What fails at once, as a promise. */
async function attempt<T>(step: () => T): Promise<T> {
  return Promise.resolve(step());
}

function failQuietly(device: VirtioPciDevice): void {
  try {
    fail(device);
  } catch {
    // The device does not answer; the caller is told what came first.
  }
}
