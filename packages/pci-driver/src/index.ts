// What applications use. What only the other packages of vio need is in internal.ts.
export type {
  AccessKind,
  DmaMemory,
  InterruptLine,
  PciAccess,
  PciInterrupts,
  TranslatedAccess,
} from './access/pci-access.ts';
export { type BindOptions, bindDevice, loadedDrivers, unbindDevice } from './discovery/bind.ts';
export {
  type DiscoveryOptions,
  type VirtioDeviceInfo,
  describeDevice,
  listVirtioDevices,
} from './discovery/devices.ts';
export { type PciConfig, parsePciDevargs } from './port/devargs.ts';
export type { InterruptMode } from './port/interrupts.ts';
export { type PciPortOptions, openPciPort } from './port/open-pci-port.ts';
export { PciPort } from './port/pci-port.ts';
export { PciVdpaDevice, type PciVdpaDeviceOptions } from './vdpa/pci-vdpa-device.ts';
export type { VdpaInterruptMode } from './vdpa/vdpa-interrupts.ts';
