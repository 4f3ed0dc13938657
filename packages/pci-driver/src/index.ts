export { openAccess } from './access/open-access.ts';
export type { AccessKind, DmaMemory, PciAccess, PciInterrupts } from './access/pci-access.ts';
export { type Capabilities, type Place, readCapabilities } from './device/capabilities.ts';
export { resetDevice, resetQueue } from './device/life-cycle.ts';
export { ModernDevice } from './device/modern-device.ts';
export { openDevice } from './device/open-device.ts';
export { type QueuePlace, type VirtioPciDevice, noVector } from './device/virtio-pci-device.ts';
export { type PciConfig, parsePciDevargs } from './port/devargs.ts';
export type { InterruptMode } from './port/interrupts.ts';
export { type PciPortOptions, openPciPort } from './port/open-pci-port.ts';
export { PciNetDevice, type PciNetDeviceOptions } from './port/pci-net-device.ts';
export { PciPort } from './port/pci-port.ts';
export { type BindOptions, bindDevice, loadedDrivers, unbindDevice } from './discovery/bind.ts';
export {
  type DiscoveryOptions,
  type VirtioDeviceInfo,
  describeDevice,
  listVirtioDevices,
} from './discovery/devices.ts';
export { virtioType } from './access/virtio-ids.ts';
