import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type OptionNames, checkOptions } from '@vio/native/internal';
import { DeviceFiles, sysfsRoot } from '../access/sysfs.ts';
import { firstModernId, virtioType } from '../access/virtio-ids.ts';
import { interfacesInUse } from './interfaces-in-use.ts';

/** A virtio device on the PCI bus. */
export interface VirtioDeviceInfo {
  /** As in `0000:00:04.0`. */
  readonly address: string;
  /** PCI device identifier: 0x1000 to 0x103f transitional, 0x1040 to 0x107f modern. */
  readonly deviceId: number;
  /** Virtio device type: 1 is a network card (virtio 1.4, 5). */
  readonly type: number;
  /** Has legacy registers, and modern ones beside them or not. */
  readonly transitional: boolean;
  /** Kernel driver it is bound to, or undefined. */
  readonly driver: string | undefined;
  /** Network interfaces the kernel makes of it. */
  readonly interfaces: readonly string[];
  /** True when one of them has a route or an address: taking it away may cut the machine off. */
  readonly inUse: boolean;
}

/** Where devices are looked for. */
export interface DiscoveryOptions {
  /** Directory of the PCI bus, default /sys/bus/pci. */
  readonly root?: string;
  /** Names of the network interfaces not to be taken away. Default: those of this machine with a route or an address. */
  readonly inUse?: ReadonlySet<string>;
}

export const discoveryNames: OptionNames<DiscoveryOptions> = { root: true, inUse: true };

/** All virtio devices on the PCI bus, by address; `type` 1 are network cards. @throws VioError VIO_OPTION_UNKNOWN */
export function listVirtioDevices(options: DiscoveryOptions = {}): VirtioDeviceInfo[] {
  checkOptions('listVirtioDevices', options, discoveryNames);
  const root = options.root ?? sysfsRoot;
  const inUse = options.inUse ?? interfacesInUse();
  return addresses(root)
    .map((address) => describe(new DeviceFiles(address, root), inUse))
    .filter((device) => device !== undefined);
}

/** One device; undefined when it is no virtio device. @throws VioError VIO_PCI_MISSING, VIO_OPTION_UNKNOWN */
export function describeDevice(
  address: string,
  options: DiscoveryOptions = {},
): VirtioDeviceInfo | undefined {
  checkOptions('describeDevice', options, discoveryNames);
  return describe(new DeviceFiles(address, options.root), options.inUse ?? interfacesInUse());
}

function describe(files: DeviceFiles, inUse: ReadonlySet<string>): VirtioDeviceInfo | undefined {
  const deviceId = files.number('device');
  const type = virtioType(files.number('vendor'), deviceId);
  if (type === undefined) return undefined;
  const interfaces = interfacesOf(files);
  return {
    address: files.address,
    deviceId,
    type,
    transitional: deviceId < firstModernId,
    driver: files.driver,
    interfaces,
    inUse: interfaces.some((name) => inUse.has(name)),
  };
}

function addresses(root: string): string[] {
  try {
    return readdirSync(join(root, 'devices')).toSorted();
  } catch {
    return [];
  }
}

/** Of the device itself, or of the virtio device that the kernel's driver makes of it. */
function interfacesOf(files: DeviceFiles): string[] {
  const virtio = files.names('.').filter((name) => /^virtio\d+$/.test(name));
  return ['net', ...virtio.map((name) => `${name}/net`)].flatMap((directory) => files.names(directory));
}
