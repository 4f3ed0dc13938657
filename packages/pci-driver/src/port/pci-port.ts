import { DevicePort } from '@vio/net';
import type { DevicePortParts } from '@vio/net/internal';
import type { AccessKind } from '../access/pci-access.ts';
import type { InterruptMode } from './interrupts.ts';
import type { PciNetDevice } from './pci-net-device.ts';

/** A virtio-net port on a PCI device. Made by `openPciPort`; everything it holds goes with `close`. */
export class PciPort extends DevicePort {
  /** As in `0000:00:04.0`. */
  readonly address: string;
  /** How the device is reached. */
  readonly access: AccessKind;
  /** Driven by modern registers, or by legacy ones. */
  readonly modern: boolean;
  /** How the device asks for attention. */
  readonly interruptMode: InterruptMode;

  /** @internal Made by `openPciPort`. */
  constructor(parts: DevicePortParts, { access, registers, interruptMode }: PciNetDevice) {
    super(parts);
    this.address = access.address;
    this.access = access.kind;
    this.modern = registers.modern;
    this.interruptMode = interruptMode;
  }
}
