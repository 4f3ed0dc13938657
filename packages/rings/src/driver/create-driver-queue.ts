import { VioError } from '@vio/native';
import type { RingFeatures } from '../format.ts';
import { maxPackedSize, packedLayout } from '../layout/packed-layout.ts';
import { maxSplitSize, splitLayout } from '../layout/split-layout.ts';
import type { DriverQueue, DriverQueueOptions } from './driver-queue.ts';
import { indirectTableBytes } from './indirect-tables.ts';
import { PackedDriver } from './packed-driver.ts';
import { SplitDriver } from './split-driver.ts';
import { SplitInOrderDriver } from './split-in-order-driver.ts';

const defaultIndirectEntries = 8;

/**
 * Builds the driver side of a virtqueue: the class that knows nothing of what was not negotiated.
 * @throws VioError VIO_RING_SIZE
 */
export function createDriverQueue(options: DriverQueueOptions): DriverQueue {
  checkRingSize(options.features, options.size);
  if (options.features.format === 'packed') return new PackedDriver(options);
  return options.features.inOrder ? new SplitInOrderDriver(options) : new SplitDriver(options);
}

/** Bytes a driver queue occupies in its region: ring and indirect tables, rounded up to a multiple of 4096. */
export function driverQueueBytes(
  features: RingFeatures,
  size: number,
  indirectEntries = defaultIndirectEntries,
): number {
  const ring = features.format === 'split' ? splitLayout(size).bytes : packedLayout(size).bytes;
  const tables = features.indirect ? indirectTableBytes(size, indirectEntries) : 0;
  return (((ring + 15) & ~15) + tables + 4095) & ~4095;
}

/** @throws VioError VIO_RING_SIZE when no virtqueue of this format has so many descriptors */
export function checkRingSize(features: RingFeatures, size: number): void {
  const max = features.format === 'split' ? maxSplitSize : maxPackedSize;
  const powerOfTwo = (size & (size - 1)) === 0;
  if (Number.isInteger(size) && size >= 1 && size <= max && (powerOfTwo || features.format === 'packed'))
    return;
  const allowed = features.format === 'split' ? `a power of two from 1 to ${max}` : `1 to ${max}`;
  throw new VioError(`a ${features.format} virtqueue cannot have ${size} descriptors`, {
    code: 'VIO_RING_SIZE',
    remedy: `choose ${allowed}`,
  });
}
