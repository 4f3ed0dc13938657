import { VIRTIO_F_ACCESS_PLATFORM, type MemoryMap } from '@vio/rings';
import type { Vring } from '../vring/vring.ts';
import { DeviceIommu, type IotlbChannel } from './device-iommu.ts';

/** The device whose rings lie behind an I/O MMU. */
export interface TranslatedDevice {
  readonly vrings: readonly Vring[];
  readonly features: bigint;
  readonly closed: boolean;
  /** Runs what has become ready. */
  update(): void;
}

/** What its rings tell of. */
export interface TranslationListener {
  /** Something about the rings is other than before. */
  changed(): void;
  /** A callback of the application, or what a ring is made of, has thrown. */
  failed(error: unknown): void;
}

/** Has a device's rings follow what the frontend says of its I/O MMU: they wait, stop and go on with their translations. */
export class DeviceTranslations implements Disposable {
  /** Present while the driver's addresses are I/O virtual ones. */
  iommu: DeviceIommu | undefined;
  readonly #device: TranslatedDevice;
  readonly #listener: TranslationListener;
  readonly #possible: boolean;
  #channel: IotlbChannel | undefined;
  #memory: MemoryMap | undefined;
  #settling = false;

  /** @param possible the application lets drivers be behind an I/O MMU */
  constructor(device: TranslatedDevice, listener: TranslationListener, possible: boolean) {
    this.#device = device;
    this.#listener = listener;
    this.#possible = possible;
  }

  /** The driver's memory is this from now on. */
  setMemory(memory: MemoryMap): void {
    this.#memory = memory;
    this.iommu?.setMemory(memory);
  }

  /** The way back to the frontend. */
  setChannel(channel: IotlbChannel): void {
    this.#channel = channel;
    this.iommu?.setChannel(channel);
  }

  /** With ACCESS_PLATFORM nothing is known of the driver's addresses but what the frontend says from now on. */
  begin(): void {
    this.iommu?.[Symbol.dispose]();
    const translates = this.#possible && (this.#device.features & VIRTIO_F_ACCESS_PLATFORM) !== 0n;
    this.iommu = translates ? this.#create() : undefined;
    for (const vring of this.#device.vrings) vring.translation = this.iommu?.iotlb;
  }

  /** Nothing is known any more. */
  reset(): void {
    this.iommu?.reset();
  }

  [Symbol.dispose](): void {
    this.iommu?.[Symbol.dispose]();
  }

  #create(): DeviceIommu {
    const { vrings } = this.#device;
    const iommu = new DeviceIommu(
      {
        lost: (from, end) => {
          for (const vring of vrings) vring.untranslate(from, end, this.#device.features);
          this.#settleSoon();
        },
        changed: () => {
          for (const vring of vrings) vring.translationsChanged();
          this.#listener.changed();
          this.#settleSoon();
        },
      },
      this.#channel,
    );
    if (this.#memory !== undefined) iommu.setMemory(this.#memory);
    return iommu;
  }

  /** Not within the burst or the message that brought it about; once for many of them. */
  #settleSoon(): void {
    if (this.#settling) return;
    this.#settling = true;
    setImmediate(() => this.#settle());
  }

  /**
   * Rings that waited for translations run, or break. Buffers that the driver waits in for packets are asked for in advance: those are
   * lost that come while nobody knows where to put them.
   */
  #settle(): void {
    this.#settling = false;
    if (this.#device.closed || this.iommu === undefined) return;
    try {
      this.#device.update();
      for (const { enqueue } of this.#device.vrings) enqueue?.queue.lookAhead();
    } catch (error) {
      this.#listener.failed(error);
    }
  }
}
