import { type FakeCard, fakePciBus, scratchDirectory } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { openAccess } from './open-access.ts';

const scratch = scratchDirectory('access');

const address = '0000:00:07.0';

/** A PCI bus with one card, whose registers are not there. */
const bus = (card: FakeCard): string => fakePciBus(scratch, { [address]: card });

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
