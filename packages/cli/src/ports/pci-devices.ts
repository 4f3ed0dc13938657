import { VioError } from '@vio/native';
import { networkCard } from '@vio/net/internal';

/**
 * The addresses of all virtio network cards that a driver for user space has, as testpmd takes them that is named no device.
 * @throws VioError VIO_CLI_NO_DEVICE when there are none
 */
export async function userDevices(): Promise<string[]> {
  const [{ listVirtioDevices }, { userDrivers }] = await Promise.all([
    import('@vio/pci-driver'),
    import('@vio/pci-driver/internal'),
  ]);
  const found = listVirtioDevices().filter(
    ({ type, driver }) => type === networkCard && driver !== undefined && userDrivers.has(driver),
  );
  if (found.length > 0) return found.map(({ address }) => address);
  throw new VioError('no virtio PCI device here has a driver for user space', {
    code: 'VIO_CLI_NO_DEVICE',
    remedy:
      'give a device such a driver (vio devbind --bind vfio-pci ADDRESS), or name a backend (--vdev path=...)',
  });
}
