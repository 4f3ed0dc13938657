import { STATUS_NEEDS_RESET } from '@vio/net/internal';
import type { PciAccess } from '../access/pci-access.ts';

/** Milliseconds between two looks at a device that does not interrupt. */
export const defaultWatchInterval = 1000;
/** What the vendor of a device reads as when there is no device. */
const noVendor = 0xffff;

/** False when the device is gone. A mapped register may answer even when the kernel has taken it away. */
export function isThere({ config }: Pick<PciAccess, 'config'>): boolean {
  return config.read(0, 2) !== noVendor;
}

/** What the status of a device says that was started: every register of one that was pulled out reads as ones, or as zeroes once its mapping is gone. */
export function healthOf(status: number): 'gone' | 'needs reset' | 'well' {
  if (status === 0xff || status === 0) return 'gone';
  return (status & STATUS_NEEDS_RESET) === 0 ? 'well' : 'needs reset';
}
