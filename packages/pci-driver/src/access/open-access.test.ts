import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openAccess } from './open-access.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vio-access-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const address = '0000:00:07.0';

interface FakeCard {
  readonly id?: string;
  readonly vendor?: string;
  readonly driver?: string;
  readonly group?: string;
}

/** A PCI bus of files with one card, whose registers are not there. */
function bus({ id = '0x1041', vendor = '0x1af4', driver, group }: FakeCard): string {
  const root = mkdtempSync(join(scratch, 'bus-'));
  const directory = join(root, 'devices', address);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'vendor'), `${vendor}\n`);
  writeFileSync(join(directory, 'device'), `${id}\n`);
  if (driver !== undefined) symlinkSync(join('/drivers', driver), join(directory, 'driver'));
  if (group !== undefined) symlinkSync(join('/iommu_groups', group), join(directory, 'iommu_group'));
  return root;
}

describe('a device that cannot be reached', () => {
  it.each<[string, FakeCard, string]>([
    ['is of another vendor', { vendor: '0x8086' }, 'VIO_PCI_NOT_VIRTIO'],
    ['is a disk', { id: '0x1042' }, 'VIO_PCI_NOT_VIRTIO'],
    ['belongs to the kernel', { driver: 'virtio-pci' }, 'VIO_PCI_WRONG_DRIVER'],
    ['belongs to VFIO and has no IOMMU', { driver: 'vfio-pci' }, 'VIO_VFIO_UNAVAILABLE'],
    ['belongs to VFIO, which is not there', { driver: 'vfio-pci', group: '987654' }, 'VIO_VFIO_UNAVAILABLE'],
    ['has no files to reach it by', {}, 'VIO_PCI_PERMISSION'],
  ])('because it %s is named', (_, card, code) => {
    expect(() => openAccess(address, bus(card))).toThrow(expect.objectContaining({ code }));
  });

  it('because there is none is named', () => {
    expect(() => openAccess('00:08.0', bus({}))).toThrow(
      expect.objectContaining({ code: 'VIO_PCI_MISSING' }),
    );
  });

  it('says what to do about a device of the kernel', () => {
    expect(() => openAccess(address, bus({ driver: 'virtio-pci' }))).toThrow(
      expect.objectContaining({
        remedy: expect.stringContaining(`vio devbind --bind vfio-pci ${address}`) as string,
      }),
    );
  });
});
