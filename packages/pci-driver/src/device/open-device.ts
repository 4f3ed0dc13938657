import type { PciAccess } from '../access/pci-access.ts';
import { readCapabilities } from './capabilities.ts';
import { LegacyDevice } from './legacy-device.ts';
import { ModernDevice } from './modern-device.ts';
import type { VirtioPciDevice } from './virtio-pci-device.ts';

/**
 * The registers of a device: modern ones where it has them, else legacy ones.
 * @throws VioError VIO_PCI_CAPABILITIES, VIO_PCI_CAPABILITY, VIO_PCI_BAR, VIO_PCI_LEGACY
 */
export function openVirtioDevice(access: PciAccess): VirtioPciDevice {
  const capabilities = readCapabilities(access.config, (index) => access.barSize(index));
  return ModernDevice.open(access, capabilities) ?? new LegacyDevice(access, capabilities);
}
