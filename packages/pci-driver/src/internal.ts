// What the other packages of vio use besides, and nobody else: it may change in every version.
export { openAccess } from './access/open-access.ts';
export { virtioType } from './access/virtio-ids.ts';
export { type Capabilities, type Place, readCapabilities } from './device/capabilities.ts';
export { resetDevice, resetQueue } from './device/life-cycle.ts';
export { ModernDevice } from './device/modern-device.ts';
export { openVirtioDevice } from './device/open-device.ts';
export { userDrivers } from './discovery/bind.ts';
export { type QueuePlace, type VirtioPciDevice, noVector } from './device/virtio-pci-device.ts';
export { PciNetDevice, type PciNetDeviceOptions } from './port/pci-net-device.ts';
