import { VioError } from '@vio/native';
import { printable } from '@vio/native/internal';
import {
  type DiscoveryOptions,
  type VirtioDeviceInfo,
  bindDevice,
  describeDevice,
  listVirtioDevices,
  loadedDrivers,
  unbindDevice,
} from '@vio/pci-driver';
import type { DevbindOptions } from './options.ts';
import { Output } from '../../output.ts';

const typeNames: Readonly<Record<number, string>> = {
  1: 'network',
  2: 'block',
  3: 'console',
  4: 'entropy',
  5: 'balloon',
  8: 'scsi',
  9: '9p',
  16: 'gpu',
  18: 'input',
  19: 'socket',
  26: 'fs',
};

/** Shows devices with their drivers, or gives them others. */
export function devbind(addresses: readonly string[], options: DevbindOptions): void {
  const output = new Output(options.json === true);
  const where = options.sysfs === undefined ? {} : { root: options.sysfs };
  const asked = [options.status, options.bind, options.unbind].filter((option) => option !== undefined);
  if (asked.length > 1) throw usage('only one of --status, --bind and --unbind is possible');
  if (options.bind === undefined && options.unbind === undefined) {
    for (const device of devices(addresses, where)) show(output, device, where);
    return;
  }
  if (addresses.length === 0) throw usage('the addresses of the devices are missing');
  const how = { ...where, force: options.force === true };
  // All addresses are looked at before the first device is touched.
  for (const { address } of devices(addresses, where)) {
    const previous =
      options.bind === undefined ? unbindDevice(address, how) : bindDevice(address, options.bind, how);
    const driver = options.bind;
    const data = { address, driver: driver ?? null, previous: previous ?? null };
    output.record('bound', data, inWords(address, driver, previous));
  }
}

function devices(addresses: readonly string[], where: DiscoveryOptions): VirtioDeviceInfo[] {
  if (addresses.length === 0) return listVirtioDevices(where);
  return addresses.map((address) => {
    const device = describeDevice(address, where);
    if (device !== undefined) return device;
    throw new VioError(`${address} is no virtio device`, {
      code: 'VIO_PCI_NOT_VIRTIO',
      remedy: 'vio devbind --status lists those of this machine',
    });
  });
}

function show(output: Output, device: VirtioDeviceInfo, where: DiscoveryOptions): void {
  const { address, deviceId, type, transitional, driver, interfaces, inUse } = device;
  const unused = loadedDrivers(where).filter((name) => name !== driver);
  const kind = typeNames[type] ?? `type ${type}`;
  const words = [
    `${address} ${kind}, ${transitional ? 'transitional' : 'modern'} (1af4:${deviceId.toString(16)})`,
    `driver ${printable(driver ?? 'none')}`,
    ...interfaces.map((each) => `interface ${printable(each)}${inUse ? ' in use' : ''}`),
    `unused ${unused.join(', ') || 'none'}`,
  ];
  const data = {
    address,
    deviceId,
    kind,
    transitional,
    driver: driver ?? null,
    interfaces,
    inUse,
    unused,
  };
  output.record('pci-device', data, words.join('; '));
}

function inWords(address: string, driver: string | undefined, previous: string | undefined): string {
  if (driver === previous) return `${address} has ${driver ?? 'no driver'} already`;
  return `${address} ${driver === undefined ? 'has no driver now' : `belongs to ${driver} now`}; before, ${previous ?? 'none'}`;
}

function usage(message: string): VioError {
  return new VioError(message, {
    code: 'VIO_CLI_USAGE',
    remedy: 'as in vio devbind --bind vfio-pci 0000:00:04.0; see vio devbind --help',
  });
}
