import { setTimeout as sleep } from 'node:timers/promises';
import type { WaitOptions } from '@vio/native';
import { featureNames } from '@vio/net';
import {
  STATUS_ACKNOWLEDGE,
  STATUS_AGREED,
  STATUS_DRIVER_OK,
  STATUS_FAILED,
  STATUS_FEATURES_OK,
  STATUS_KNOWN,
} from '@vio/net/internal';
import { defaultTimeout } from '@vio/native/internal';
import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import { cannotResetQueues, pciError } from '../access/pci-errors.ts';
import type { VirtioPciDevice } from './virtio-pci-device.ts';

/**
 * Resets the device and waits until it says so (4.1.4.3.2).
 * @param wait milliseconds, default 5000
 * @throws VioError VIO_PCI_RESET_TIMEOUT, VIO_ABORTED
 */
export async function resetDevice(device: VirtioPciDevice, wait: WaitOptions = {}): Promise<void> {
  device.status = 0;
  await until(() => device.status === 0, 'the device does not leave its reset', wait);
}

/**
 * Resets one queue and waits until the device has let go of it; then it can be enabled again.
 * @throws VioError VIO_FEATURE_MISSING, VIO_PCI_RESET_TIMEOUT, VIO_ABORTED
 */
export async function resetQueue(
  device: VirtioPciDevice,
  queue: number,
  wait: WaitOptions = {},
): Promise<void> {
  const { queueReset } = device;
  if (queueReset === undefined) throw cannotResetQueues();
  queueReset.begin(queue);
  await until(() => queueReset.isDone(queue), `the device does not let go of queue ${queue}`, wait);
}

/** After a reset: the driver knows the device. @returns the features it offers */
export function meet(device: VirtioPciDevice): bigint {
  device.status = STATUS_ACKNOWLEDGE;
  device.status = STATUS_KNOWN;
  return device.getFeatures();
}

/** Tells the device its features; queues can be set up then. @throws VioError VIO_FEATURES_REFUSED */
export function acceptFeatures(device: VirtioPciDevice, features: bigint): void {
  device.setFeatures(features);
  // A legacy device has no such step (3.1.2).
  if ((features & VIRTIO_F_VERSION_1) === 0n) return;
  device.status = STATUS_AGREED;
  if ((device.status & STATUS_FEATURES_OK) !== 0) return;
  throw pciError(
    'VIO_FEATURES_REFUSED',
    `the device refused features it had offered: ${featureNames(features).join(', ')}`,
    'leave some of them out, one after the other, and see which the device cannot do',
  );
}

/** The queues are set up: the device may begin. */
export function driverOk(device: VirtioPciDevice): void {
  device.status = device.status | STATUS_DRIVER_OK;
}

/** The driver has given up; only a reset leads out of this. */
export function fail(device: VirtioPciDevice): void {
  device.status = device.status | STATUS_FAILED;
}

async function until(done: () => boolean, what: string, { timeout = defaultTimeout, signal }: WaitOptions) {
  const end = performance.now() + timeout;
  while (!done()) {
    if (performance.now() > end) {
      throw pciError(
        'VIO_PCI_RESET_TIMEOUT',
        `${what} (${timeout} ms)`,
        'the device hangs: remove it and scan the bus again, or restart the machine',
      );
    }
    try {
      await sleep(1, undefined, { signal });
    } catch (cause) {
      throw pciError('VIO_ABORTED', 'waiting for a reset was aborted', 'nothing to mend', cause);
    }
  }
}
