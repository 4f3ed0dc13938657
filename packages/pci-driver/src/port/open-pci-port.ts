import type { OptionNames } from '@vio/native/internal';
import { type CommonPortOptions, type PortOptions, VIRTIO_NET_F_RSS } from '@vio/net';
import { checkPortOptions, commonOptionNames, openPortAs } from '@vio/net/internal';
import { openAccess } from '../access/open-access.ts';
import type { PciAccess } from '../access/pci-access.ts';
import { keptForVdpa, parsePciDevargs } from './devargs.ts';
import { PciNetDevice } from './pci-net-device.ts';
import { PciPort } from './pci-port.ts';

/** As of every port. Queue pairs default to 1, rings to the device's size, at most 1024, all features to those it offers. */
export interface PciPortOptions
  extends CommonPortOptions, Pick<PortOptions, 'queues' | 'queueSize' | 'packed' | 'inOrder' | 'mergeable'> {
  /**
   * Milliseconds between two looks at a device that does not interrupt, whether it is still there and what its link
   * does. Default 1000.
   */
  readonly watchInterval?: number | undefined;
}

const optionNames: OptionNames<PciPortOptions> = {
  ...commonOptionNames,
  queues: true,
  queueSize: true,
  packed: true,
  inOrder: true,
  mergeable: true,
  watchInterval: true,
};

/**
 * Opens a port on a PCI device that is bound to vfio-pci, to uio_pci_generic or to no driver at all: resets it, and has
 * `openPort` of @vio/net do the rest. A failure at any step gives everything back.
 * @param device devargs as `0000:00:04.0,vectorized=1`, or a device that is reached in another way
 * @throws VioError VIO_OPTION_UNKNOWN, VIO_PCI_*, VIO_VFIO_*, VIO_DEVARGS_*, VIO_PAGEMAP_PERMISSION, VIO_ABORTED, and those
 *   of `openPort`
 */
export async function openPciPort(
  device: string | PciAccess,
  options: PciPortOptions = {},
): Promise<PciPort> {
  checkPortOptions('openPciPort', options, optionNames);
  const { address, speed, vectorized, vdpa } = parsePciDevargs(
    typeof device === 'string' ? device : device.address,
  );
  if (vdpa) throw keptForVdpa(address);
  const access = typeof device === 'string' ? openAccess(address) : device;
  const { watchInterval, ...common } = options;
  const card = openCard(access, { watchInterval, log: common.log });
  const port: PortOptions = {
    ...common,
    vectorized,
    speed,
    wanted: (options.queues ?? 1) > 1 ? VIRTIO_NET_F_RSS : 0n,
  };
  return openPortAs(card, port, (parts) => new PciPort(parts, card));
}

function openCard(access: PciAccess, options: ConstructorParameters<typeof PciNetDevice>[1]): PciNetDevice {
  try {
    return new PciNetDevice(access, options);
  } catch (error) {
    access.close();
    throw error;
  }
}
