import { networkCard } from '@vio/net/internal';
import type { PciAccess } from './pci-access.ts';
import { pciError } from './pci-errors.ts';
import { DeviceFiles } from './sysfs.ts';
import { SysfsAccess } from './sysfs-access.ts';
import { VfioAccess } from './vfio-access.ts';
import { virtioType } from './virtio-ids.ts';

/**
 * Reaches a device as the driver it is bound to allows: vfio-pci, uio_pci_generic (or igb_uio), or none.
 * @param address as in `0000:00:04.0`
 * @param root of the PCI bus in sysfs, default /sys/bus/pci
 * @throws VioError VIO_PCI_ADDRESS, VIO_PCI_MISSING, VIO_PCI_NOT_VIRTIO, VIO_PCI_WRONG_DRIVER, VIO_PCI_PERMISSION, VIO_PCI_BUSY, VIO_VFIO_*
 */
export function openAccess(address: string, root?: string): PciAccess {
  const files = new DeviceFiles(address, root);
  // Registers of another device mean something else: nothing of it is touched.
  if (virtioType(files.number('vendor'), files.number('device')) !== networkCard) {
    throw pciError(
      'VIO_PCI_NOT_VIRTIO',
      `${files.address} is no virtio network card`,
      'vio devbind --status lists the virtio devices of this machine',
    );
  }
  switch (files.driver) {
    case 'vfio-pci':
      return new VfioAccess(files);
    case 'uio_pci_generic':
    case 'igb_uio':
    case undefined:
      return new SysfsAccess(files);
    default:
      throw pciError(
        'VIO_PCI_WRONG_DRIVER',
        `${files.address} belongs to the kernel driver ${files.driver}`,
        `bind it to vfio-pci or uio_pci_generic first: vio devbind --bind vfio-pci ${files.address}`,
      );
  }
}
