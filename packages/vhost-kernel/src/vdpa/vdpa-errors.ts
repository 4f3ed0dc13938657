import { VioError } from '@vio/native';
import type { KernelRegion } from '../vhost-requests.ts';
import type { IovaRange } from './vdpa-ioctls.ts';

const deviceTypes: Readonly<Record<number, string>> = {
  1: 'a network card',
  2: 'a block device',
  3: 'a console',
  8: 'a SCSI host',
  19: 'a socket device',
  20: 'a crypto device',
  26: 'a file system',
};

/** @param id of virtio 1.4, section 5 */
export function notNet(path: string, id: number): VioError {
  return new VioError(`${path} is ${deviceTypes[id] ?? `a device of type ${id}`}, not a network card`, {
    code: 'VIO_VDPA_NOT_NET',
    remedy: 'see which device is which with `vdpa dev show`, and give the path of one of type network',
  });
}

export function tooOld(path: string): VioError {
  return new VioError(`the kernel behind ${path} takes no IOTLB messages of version 2`, {
    code: 'VIO_VHOST_UNSUPPORTED',
    remedy: 'use Linux 5.8 or newer',
  });
}

/** @throws VioError VIO_VDPA_IOVA_RANGE */
export function checkIovaRange(regions: readonly KernelRegion[], { first, last }: IovaRange): void {
  for (const { guestAddress, size } of regions) {
    if (guestAddress >= first && guestAddress + size - 1n <= last) continue;
    const hex = (address: bigint): string => `0x${address.toString(16)}`;
    throw new VioError(
      `the device reaches addresses ${hex(first)} to ${hex(last)}, not ${hex(guestAddress)} to ${hex(guestAddress + size - 1n)}`,
      {
        code: 'VIO_VDPA_IOVA_RANGE',
        remedy: 'share less memory (smaller queue_size, fewer queues), or use a device with a wider range',
      },
    );
  }
}

/** @throws VioError VIO_VHOST_RING */
export function checkRingSize(size: number, most: number): void {
  if (size <= most) return;
  throw new VioError(`the device has rings of at most ${most} descriptors, not ${size}`, {
    code: 'VIO_VHOST_RING',
    remedy: `use queue_size=${most} or less`,
  });
}

export function refusedFeatures(path: string): VioError {
  return new VioError(`${path} refused features that it had offered`, {
    code: 'VIO_FEATURES_REFUSED',
    remedy: 'offer fewer (disableFeatures), and see which the device cannot do',
  });
}

export function notStarted(): VioError {
  return new VioError('the device did not start (DRIVER_OK did not stay set)', {
    code: 'VIO_VDPA_UNRESPONSIVE',
    remedy:
      'the process or firmware behind the device refused it or is gone: see its log, and start it again',
    retryable: true,
  });
}

export function otherAddress(mac: string): VioError {
  return new VioError(`the device has the address ${mac}, and it cannot be changed`, {
    code: 'VIO_VDPA_MAC',
    remedy: 'leave mac out, or make the device with the address: vdpa dev add name NAME mgmtdev MGMT mac MAC',
  });
}

export function gone(path: string): VioError {
  return new VioError(`the device ${path} is gone`, {
    code: 'VIO_VDPA_GONE',
    remedy: 'it was deleted (vdpa dev del) or its driver was unloaded: make it again and open the port again',
  });
}

export function needsReset(path: string): VioError {
  return new VioError(`the device ${path} says that it must be reset`, {
    code: 'VIO_VDPA_NEEDS_RESET',
    remedy: 'it met an error of its own or of the driver: see its log, and open the port again',
    retryable: true,
  });
}

export function closed(path: string): VioError {
  return new VioError(`${path} was closed`, {
    code: 'VIO_VHOST_CLOSED',
    remedy: 'nothing to mend: this side closed it; open it again to go on',
  });
}

/** A request that was given up while the kernel was at it, as the end of the device. */
export function unresponsive(path: string, cause: unknown): VioError {
  if (VioError.is(cause)) return cause;
  return new VioError(`${path} did not answer`, {
    code: 'VIO_VDPA_UNRESPONSIVE',
    remedy: 'the process or firmware behind the device does not answer: start it again',
    retryable: true,
    cause,
  });
}
