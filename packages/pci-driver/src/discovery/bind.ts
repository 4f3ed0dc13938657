import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type OptionNames, checkOptions, printable, quoted } from '@vio/native/internal';
import { pciError } from '../access/pci-errors.ts';
import { DeviceFiles, sysfsRoot } from '../access/sysfs.ts';
import { type DiscoveryOptions, type VirtioDeviceInfo, describeDevice, discoveryNames } from './devices.ts';

/** Drivers for user space; others find their devices by themselves. */
export const userDrivers: ReadonlySet<string> = new Set(['vfio-pci', 'uio_pci_generic', 'igb_uio']);

/** Which drivers are changed, and whether devices in use may be taken away. */
export interface BindOptions extends DiscoveryOptions {
  /** Take it away although its interface has a route or an address. Default false. */
  readonly force?: boolean;
}

const optionNames: OptionNames<BindOptions> = { force: true, root: true, inUse: true };

/**
 * Binds a virtio device to a driver, taking it away from the one it has; if that fails it goes back.
 * @param driver `vfio-pci`, `uio_pci_generic`, `virtio-pci`, ...
 * @returns the driver it had before, to be restored later, or undefined
 * @throws VioError VIO_PCI_MISSING, VIO_PCI_NOT_VIRTIO, VIO_PCI_IN_USE, VIO_PCI_DRIVER_NAME, VIO_PCI_NO_DRIVER, VIO_PCI_BIND,
 *   VIO_OPTION_UNKNOWN
 */
export function bindDevice(address: string, driver: string, options: BindOptions = {}): string | undefined {
  checkOptions('bindDevice', options, optionNames);
  const root = options.root ?? sysfsRoot;
  const device = virtioDevice(address, options);
  if (device.driver === driver) return driver;
  checkDriverName(driver);
  if (!existsSync(driverDirectory(root, driver))) {
    throw pciError(
      'VIO_PCI_NO_DRIVER',
      `the kernel has no driver ${driver}`,
      `load its module: modprobe ${driver.replaceAll('-', '_')}`,
    );
  }
  unbindDevice(address, options);
  try {
    attach(new DeviceFiles(address, root), root, driver);
  } catch (cause) {
    const back = device.driver === undefined ? 'has no driver now' : restore(device, root);
    throw pciError(
      'VIO_PCI_BIND',
      `${device.address} cannot be bound to ${driver}; it ${back}`,
      driver === 'vfio-pci'
        ? 'vfio-pci needs an IOMMU: switch it on, or use uio_pci_generic'
        : 'see dmesg for the reason',
      cause,
    );
  }
  return device.driver;
}

/**
 * Takes a virtio device away from its driver; one without stays as it is.
 * @returns the driver it had, or undefined
 * @throws VioError VIO_PCI_MISSING, VIO_PCI_NOT_VIRTIO, VIO_PCI_IN_USE, VIO_PCI_BIND, VIO_OPTION_UNKNOWN
 */
export function unbindDevice(address: string, options: BindOptions = {}): string | undefined {
  checkOptions('unbindDevice', options, optionNames);
  const device = virtioDevice(address, options);
  if (device.driver === undefined) return undefined;
  if (device.inUse && options.force !== true) {
    throw pciError(
      'VIO_PCI_IN_USE',
      `${device.address} is in use: its interface ${device.interfaces.map(printable).join(', ')} has a route or an address`,
      `take those away first (ip addr flush dev ${printable(device.interfaces[0] ?? '')}), or use force`,
    );
  }
  const root = options.root ?? sysfsRoot;
  try {
    writeFileSync(join(driverDirectory(root, device.driver), 'unbind'), device.address);
  } catch (cause) {
    throw pciError(
      'VIO_PCI_BIND',
      `${device.address} cannot be taken from ${device.driver}`,
      'run as root; a process that uses the device has to end first',
      cause,
    );
  }
  return device.driver;
}

/** The drivers of virtio devices that this kernel has loaded. @throws VioError VIO_OPTION_UNKNOWN */
export function loadedDrivers(options: DiscoveryOptions = {}): string[] {
  checkOptions('loadedDrivers', options, discoveryNames);
  const root = options.root ?? sysfsRoot;
  return ['virtio-pci', ...userDrivers].filter((driver) => existsSync(driverDirectory(root, driver)));
}

function virtioDevice(address: string, options: BindOptions): VirtioDeviceInfo {
  const { force: _, ...where } = options;
  const device = describeDevice(address, where);
  if (device !== undefined) return device;
  throw pciError(
    'VIO_PCI_NOT_VIRTIO',
    `${address} is no virtio device`,
    'vio binds virtio devices only: 1af4:1000 to 107f',
  );
}

/** A user driver matches no id: the device is told whom it belongs to, for as long as the binding takes. */
function attach(files: DeviceFiles, root: string, driver: string): void {
  const override = userDrivers.has(driver);
  if (override) files.write('driver_override', driver);
  try {
    writeFileSync(join(driverDirectory(root, driver), 'bind'), files.address);
  } finally {
    if (override) files.write('driver_override', '\n');
  }
  if (files.driver !== driver) throw new Error(`its driver is ${String(files.driver)} afterwards`);
}

/** @returns what became of it, for a message */
function restore(device: VirtioDeviceInfo, root: string): string {
  try {
    attach(new DeviceFiles(device.address, root), root, device.driver ?? '');
    return `went back to ${device.driver}`;
  } catch {
    return `has no driver now, and ${device.driver} does not take it back`;
  }
}

/** A name becomes part of a path, and may not lead elsewhere. */
function checkDriverName(driver: string): void {
  if (/^[\w-]+$/.test(driver)) return;
  throw pciError(
    'VIO_PCI_DRIVER_NAME',
    `${quoted(driver)} cannot be the name of a driver`,
    'give letters, digits, - and _ only, as in vfio-pci',
  );
}

function driverDirectory(root: string, driver: string): string {
  return join(root, 'drivers', driver);
}
