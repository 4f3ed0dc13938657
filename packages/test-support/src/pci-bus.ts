import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A card as sysfs shows it. */
export interface FakeCard {
  /** Default 0x1041, a modern virtio network card. */
  readonly id?: string;
  /** Default 0x1af4, virtio's. */
  readonly vendor?: string;
  readonly driver?: string;
  /** Number of its IOMMU group. */
  readonly group?: string;
  /** Network interface of the kernel's on it. */
  readonly interface?: string;
}

/** A PCI bus of files in a directory, with drivers that do nothing. @returns what stands for /sys/bus/pci */
export function fakePciBus(directory: string, cards: Readonly<Record<string, FakeCard>>): string {
  const root = mkdtempSync(join(directory, 'bus-'));
  for (const driver of ['virtio-pci', 'vfio-pci'])
    mkdirSync(join(root, 'drivers', driver), { recursive: true });
  for (const [address, card] of Object.entries(cards)) {
    const { id = '0x1041', vendor = '0x1af4', driver, group, interface: name } = card;
    const files = join(root, 'devices', address);
    mkdirSync(files, { recursive: true });
    writeFileSync(join(files, 'vendor'), `${vendor}\n`);
    writeFileSync(join(files, 'device'), `${id}\n`);
    if (driver !== undefined) symlinkSync(join(root, 'drivers', driver), join(files, 'driver'));
    if (group !== undefined) symlinkSync(join('/iommu_groups', group), join(files, 'iommu_group'));
    if (name !== undefined) mkdirSync(join(files, 'virtio0/net', name), { recursive: true });
  }
  return root;
}
