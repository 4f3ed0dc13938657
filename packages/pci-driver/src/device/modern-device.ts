import type { Registers, VioError } from '@vio/native';
import type { DeviceTraits, Notifier } from '@vio/net';
import {
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_NOTIFICATION_DATA,
  VIRTIO_F_NOTIF_CONFIG_DATA,
  VIRTIO_F_ORDER_PLATFORM,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';
import type { PciAccess } from '../access/pci-access.ts';
import { pciError } from '../access/pci-errors.ts';
import type { Capabilities, Place } from './capabilities.ts';
import { ConfigWindow } from './config-window.ts';
import { type Field, Structure } from './structure.ts';
import type { QueuePlace, QueueResetRegisters, VirtioPciDevice } from './virtio-pci-device.ts';

/** struct virtio_pci_common_cfg (virtio 1.4, 4.1.4.3). */
const common = {
  deviceFeatureSelect: { at: 0x00, width: 4 },
  deviceFeature: { at: 0x04, width: 4 },
  driverFeatureSelect: { at: 0x08, width: 4 },
  driverFeature: { at: 0x0c, width: 4 },
  configVector: { at: 0x10, width: 2 },
  queues: { at: 0x12, width: 2 },
  status: { at: 0x14, width: 1 },
  generation: { at: 0x15, width: 1 },
  queueSelect: { at: 0x16, width: 2 },
  queueSize: { at: 0x18, width: 2 },
  queueVector: { at: 0x1a, width: 2 },
  queueEnable: { at: 0x1c, width: 2 },
  queueNotifyOffset: { at: 0x1e, width: 2 },
  notifyConfigData: { at: 0x38, width: 2 },
  queueReset: { at: 0x3a, width: 2 },
} as const satisfies Record<string, Field>;
const queueDescriptors = 0x20;
const queueDriver = 0x28;
const queueDevice = 0x30;

/** A device that changes its configuration at every look is not waited for any longer. */
const generationTries = 100;

/** A device with virtio 1 registers, wherever its capabilities put them. */
export class ModernDevice implements VirtioPciDevice {
  /** It is driven by its modern registers. */
  readonly modern = true;
  readonly resizable = true;
  readonly traits: DeviceTraits = {
    wanted:
      VIRTIO_F_ACCESS_PLATFORM |
      VIRTIO_F_ORDER_PLATFORM |
      VIRTIO_F_NOTIFICATION_DATA |
      VIRTIO_F_NOTIF_CONFIG_DATA |
      VIRTIO_F_RING_RESET,
    needed: VIRTIO_F_VERSION_1,
    own: 0n,
  };
  readonly #common: Structure;
  readonly #device: Structure;
  readonly #isr: Structure;
  readonly #notify: Registers;
  readonly #notifyPlace: NonNullable<Capabilities['notify']>;
  #features = 0n;

  /** @returns undefined when the device has no modern registers at all. @throws VioError VIO_PCI_CAPABILITY, VIO_PCI_BAR */
  static open(access: PciAccess, capabilities: Capabilities): ModernDevice | undefined {
    const { common: commonPlace, notify, isr, device, unusable } = capabilities;
    if (commonPlace !== undefined && notify !== undefined && isr !== undefined && device !== undefined) {
      return new ModernDevice(access, capabilities.window, { common: commonPlace, notify, isr, device });
    }
    if (unusable.length === 0) return undefined;
    throw pciError(
      'VIO_PCI_CAPABILITY',
      `the modern registers of ${access.address} cannot be used: ${unusable.join('; ')}`,
      'the device is broken: its capabilities point to what is not there',
    );
  }

  private constructor(
    access: PciAccess,
    window: number | undefined,
    places: { common: Place; notify: NonNullable<Capabilities['notify']>; isr: Place; device: Place },
  ) {
    const registers = ({ bar }: Place): Registers => reach(access, window, bar);
    const structure = (place: Place) => new Structure(registers(place), place.offset, place.length);
    this.#common = structure(places.common);
    this.#device = structure(places.device);
    this.#isr = structure(places.isr);
    this.#notify = registers(places.notify);
    this.#notifyPlace = places.notify;
  }

  /** Queues the device has. */
  get queues(): number {
    return this.#common.read(common.queues);
  }

  get status(): number {
    return this.#common.read(common.status);
  }

  set status(status: number) {
    this.#common.write(common.status, status);
  }

  /** Reads the features that the device offers. */
  getFeatures(): bigint {
    const half = (select: number): bigint => {
      this.#common.write(common.deviceFeatureSelect, select);
      return BigInt(this.#common.read(common.deviceFeature));
    };
    return half(0) | (half(1) << 32n);
  }

  /** Writes the features that the driver accepts. */
  setFeatures(features: bigint): void {
    for (const select of [0, 1]) {
      this.#common.write(common.driverFeatureSelect, select);
      this.#common.write(common.driverFeature, Number((features >> BigInt(32 * select)) & 0xffff_ffffn));
    }
    this.#features = features;
  }

  readConfig(fields: readonly Field[]): number[] {
    for (let i = 0; i < generationTries; i++) {
      const before = this.#common.read(common.generation);
      const values = fields.map((field) => this.#device.read(field));
      if (this.#common.read(common.generation) === before) return values;
    }
    throw pciError(
      'VIO_PCI_CONFIG_UNSTABLE',
      'the configuration of the device changes all the time',
      'the device is broken: reset it',
    );
  }

  readIsr(): number {
    return this.#isr.read({ at: 0, width: 1 });
  }

  setConfigVector(vector: number): number {
    this.#common.write(common.configVector, vector);
    return this.#common.read(common.configVector);
  }

  /** Gives a queue an MSI-X vector. @returns the vector that the device took, or `noVector` */
  setQueueVector(queue: number, vector: number): number {
    this.#common.write(common.queueSelect, queue);
    this.#common.write(common.queueVector, vector);
    return this.#common.read(common.queueVector);
  }

  queueSize(queue: number): number {
    this.#common.write(common.queueSelect, queue);
    return this.#common.read(common.queueSize);
  }

  enableQueue(queue: number, place: QueuePlace): void {
    this.#common.write(common.queueSelect, queue);
    this.#common.write(common.queueSize, place.size);
    this.#common.write64(queueDescriptors, place.descriptors);
    this.#common.write64(queueDriver, place.driver);
    this.#common.write64(queueDevice, place.device);
    this.#common.write(common.queueEnable, 1);
  }

  get queueReset(): QueueResetRegisters | undefined {
    if ((this.#features & VIRTIO_F_RING_RESET) === 0n) return undefined;
    return {
      begin: (queue) => {
        this.#common.write(common.queueSelect, queue);
        this.#common.write(common.queueReset, 1);
      },
      isDone: (queue) => {
        this.#common.write(common.queueSelect, queue);
        return this.#common.read(common.queueReset) === 0 && this.#common.read(common.queueEnable) === 0;
      },
    };
  }

  /** Every queue is notified in pages of its own. */
  get notifiesByPage(): boolean {
    const { multiplier } = this.#notifyPlace;
    return multiplier > 0 && multiplier % 4096 === 0;
  }

  /** Where a queue is notified: the BAR, and bytes from its start. @throws VioError VIO_PCI_NOTIFY_RANGE */
  notifyPlace(queue: number): { readonly bar: number; readonly offset: number } {
    this.#common.write(common.queueSelect, queue);
    const { bar, offset, length, multiplier } = this.#notifyPlace;
    const within = this.#common.read(common.queueNotifyOffset) * multiplier;
    if (within + 2 > length) throw notifyRange(queue, within, length);
    return { bar, offset: offset + within };
  }

  /**
   * A notification is 16 bits that name the queue; with NOTIFICATION_DATA, 32 with where its next buffer goes (4.1.5.2).
   * @throws VioError VIO_PCI_NOTIFY_RANGE
   */
  notifier(queue: number, nextAvailable: () => number): Notifier {
    this.#common.write(common.queueSelect, queue);
    const { offset, length, multiplier } = this.#notifyPlace;
    const within = this.#common.read(common.queueNotifyOffset) * multiplier;
    const withData = (this.#features & VIRTIO_F_NOTIFICATION_DATA) !== 0n;
    const width = withData ? 4 : 2;
    if (within + width > length || (offset + within) % width !== 0) {
      throw notifyRange(queue, within, length);
    }
    const configData = (this.#features & VIRTIO_F_NOTIF_CONFIG_DATA) !== 0n;
    const value = configData ? this.#common.read(common.notifyConfigData) : queue;
    const registers = this.#notify;
    const at = offset + within;
    if (!withData) return { signal: () => registers.write(at, 2, value) };
    return { signal: () => registers.write(at, 4, (value | (nextAvailable() << 16)) >>> 0) };
  }
}

function notifyRange(queue: number, within: number, length: number): VioError {
  return pciError(
    'VIO_PCI_NOTIFY_RANGE',
    `queue ${queue} is notified at ${within}, beyond the ${length} bytes of the notification structure`,
    'the device is broken: its notification capability is too short',
  );
}

/** A BAR, mapped; or else through the window that configuration space has into it. */
function reach(access: PciAccess, window: number | undefined, bar: number): Registers {
  try {
    return access.bar(bar);
  } catch (error) {
    if (window === undefined) throw error;
    return new ConfigWindow(access.config, window, bar, access.barSize(bar));
  }
}
