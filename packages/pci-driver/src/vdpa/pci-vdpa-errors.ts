import type { VioError } from '@vio/native';
import { pciError } from '../access/pci-errors.ts';

export function withoutIommu(address: string): VioError {
  return pciError(
    'VIO_VDPA_IOMMU',
    `no IOMMU translates the addresses of ${address}: it cannot be given the memory of others`,
    'switch the IOMMU on (intel_iommu=on or amd_iommu=on), and bind the device to vfio-pci',
  );
}

export function pastIommu(address: string): VioError {
  return pciError(
    'VIO_FEATURE_MISSING',
    `${address} does not offer ACCESS_PLATFORM, and may go past the IOMMU`,
    'in QEMU, give the device iommu_platform=on; else use another device',
  );
}

export function notModern(address: string): VioError {
  return pciError(
    'VIO_FEATURE_MISSING',
    `${address} has no registers of virtio 1`,
    'use a modern device: in QEMU, disable-modern=off',
  );
}

export function withoutInterrupts(address: string): VioError {
  return pciError(
    'VIO_VDPA_INTERRUPTS',
    `${address} has no interrupt by which drivers could be called`,
    'use a device with MSI-X vectors, or INTx',
  );
}

export function tooManyRings(address: string, rings: number, most: number): VioError {
  return pciError(
    'VIO_VHOST_RING',
    `${rings} rings are more than the ${most} of ${address}`,
    'use fewer queue pairs',
  );
}
