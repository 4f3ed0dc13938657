import { longestTimer } from '@vio/native/internal';
import { STATUS_NEEDS_RESET } from '@vio/net/internal';
import type { PciAccess } from '../access/pci-access.ts';

/** Milliseconds between two looks at a device that does not interrupt. */
const defaultInterval = 1000;
/** What the vendor of a device reads as when there is no device. */
const noVendor = 0xffff;

/** Looks at a device from now on. @param interval milliseconds, however many; default 1000 */
export function watch(look: () => void, interval = defaultInterval): NodeJS.Timeout {
  return setInterval(look, Math.min(interval, longestTimer)).unref();
}

/** False when the device is gone. A mapped register may answer even when the kernel has taken it away. */
export function isThere({ config }: Pick<PciAccess, 'config'>): boolean {
  return config.read(0, 2) !== noVendor;
}

/** What the status of a device says that was started: every register of one that was pulled out reads as ones, or as zeroes once its mapping is gone. */
export function healthOf(status: number): 'gone' | 'needs reset' | 'well' {
  if (status === 0xff || status === 0) return 'gone';
  return (status & STATUS_NEEDS_RESET) === 0 ? 'well' : 'needs reset';
}
