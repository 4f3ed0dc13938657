import { type DeviceTraits, type Notifier, VIRTIO_NET_F_MTU } from '@vio/net';
import type { PciAccess } from '../access/pci-access.ts';
import { pciError } from '../access/pci-errors.ts';
import { type Capabilities, msixEnabled } from './capabilities.ts';
import { type Field, Structure } from './structure.ts';
import type { QueuePlace, VirtioPciDevice } from './virtio-pci-device.ts';

/** Registers of BAR 0 (virtio 1.4, 4.1.4.10). */
const legacy = {
  deviceFeatures: { at: 0, width: 4 },
  driverFeatures: { at: 4, width: 4 },
  queueFrame: { at: 8, width: 4 },
  queueSize: { at: 12, width: 2 },
  queueSelect: { at: 14, width: 2 },
  queueNotify: { at: 16, width: 2 },
  status: { at: 18, width: 1 },
  isr: { at: 19, width: 1 },
  configVector: { at: 20, width: 2 },
  queueVector: { at: 22, width: 2 },
} as const satisfies Record<string, Field>;

/** The device configuration follows the registers; with MSI-X switched on, the two vectors come first. */
const configAt = 20;
const configAtMsix = 24;

const frameShift = 12n;
/** A device that changes its configuration at every look is not waited for any longer. */
const configTries = 100;

/** A device with the registers of before virtio 1. */
export class LegacyDevice implements VirtioPciDevice {
  readonly modern = false;
  readonly resizable = false;
  readonly traits: DeviceTraits = { wanted: 0n, needed: 0n, own: 0n };
  readonly queueReset = undefined;
  readonly #registers: Structure;
  readonly #msix: () => boolean;

  /** @throws VioError VIO_PCI_BAR, VIO_PCI_LEGACY when BAR 0 is too short */
  constructor(access: PciAccess, { msix }: Capabilities) {
    const registers = access.bar(0);
    if (registers.size < configAtMsix + 6) {
      throw pciError(
        'VIO_PCI_LEGACY',
        `${access.address} has neither modern registers nor the legacy ones: BAR 0 is ${registers.size} bytes long`,
        'the device is broken, or not a virtio-net device',
      );
    }
    this.#registers = new Structure(registers, 0, registers.size);
    this.#msix = () => msix !== undefined && msixEnabled(access.config, msix);
  }

  get status(): number {
    return this.#registers.read(legacy.status);
  }

  set status(status: number) {
    this.#registers.write(legacy.status, status);
  }

  /** What the device says of its MTU lies beyond the registers that all legacy devices have. */
  getFeatures(): bigint {
    return BigInt(this.#registers.read(legacy.deviceFeatures)) & ~VIRTIO_NET_F_MTU;
  }

  setFeatures(features: bigint): void {
    if (features >> 32n !== 0n) throw new RangeError('a legacy device has only 32 feature bits');
    this.#registers.write(legacy.driverFeatures, Number(features));
  }

  /** There is no generation: every field is read until it says the same twice. */
  readConfig(fields: readonly Field[]): number[] {
    const base = this.#msix() ? configAtMsix : configAt;
    const read = (): number[] =>
      fields.map(({ at, width }) => this.#registers.read({ at: base + at, width }));
    let values = read();
    for (let i = 0; i < configTries; i++) {
      const again = read();
      if (again.every((value, k) => value === values[k])) return values;
      values = again;
    }
    throw pciError(
      'VIO_PCI_CONFIG_UNSTABLE',
      'the configuration of the device changes all the time',
      'the device is broken: reset it',
    );
  }

  readIsr(): number {
    return this.#registers.read(legacy.isr);
  }

  setConfigVector(vector: number): number {
    this.#registers.write(legacy.configVector, vector);
    return this.#registers.read(legacy.configVector);
  }

  setQueueVector(queue: number, vector: number): number {
    this.#registers.write(legacy.queueSelect, queue);
    this.#registers.write(legacy.queueVector, vector);
    return this.#registers.read(legacy.queueVector);
  }

  queueSize(queue: number): number {
    this.#registers.write(legacy.queueSelect, queue);
    return this.#registers.read(legacy.queueSize);
  }

  /** @throws VioError VIO_PCI_DMA when the ring lies beyond what 32 bits of page frames reach, 16 TiB */
  enableQueue(queue: number, place: QueuePlace): void {
    const frame = place.descriptors >> frameShift;
    if (frame >= 1n << 32n || place.descriptors % 4096n !== 0n) {
      throw pciError(
        'VIO_PCI_DMA',
        `a legacy device cannot reach a ring at 0x${place.descriptors.toString(16)}`,
        'use memory below 16 TiB, or a modern device',
      );
    }
    this.#registers.write(legacy.queueSelect, queue);
    this.#registers.write(legacy.queueFrame, Number(frame));
  }

  notifier(queue: number): Notifier {
    const registers = this.#registers;
    return { signal: () => registers.write(legacy.queueNotify, queue) };
  }
}
