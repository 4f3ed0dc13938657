import { VioError } from '@vio/native';
import type { RingFeatures } from '../format.ts';
import { packedLayout } from '../layout/packed-layout.ts';
import { checkRingSize } from '../layout/ring-size.ts';
import { splitLayout } from '../layout/split-layout.ts';
import type { DriverQueue, DriverQueueOptions } from './driver-queue.ts';
import { defaultIndirectEntries, indirectTableBytes } from './indirect-tables.ts';
import { PackedDriver } from './packed-driver.ts';
import { PackedInOrderDriver } from './packed-in-order-driver.ts';
import { SplitDriver } from './split-driver.ts';
import { SplitInOrderDriver } from './split-in-order-driver.ts';

/**
 * Builds the driver side of a virtqueue: the class that knows nothing of what was not negotiated.
 * @throws VioError VIO_RING_SIZE or VIO_RING_PART (the region is too small, or the offset not a multiple of 4096)
 */
export function createDriverQueue(options: DriverQueueOptions): DriverQueue {
  checkRingSize(options.features, options.size);
  checkPlace(options);
  const { format, inOrder } = options.features;
  if (format === 'packed') return inOrder ? new PackedInOrderDriver(options) : new PackedDriver(options);
  return inOrder ? new SplitInOrderDriver(options) : new SplitDriver(options);
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

function checkPlace({ region, offset, size, features, indirectEntries }: DriverQueueOptions): void {
  const bytes = driverQueueBytes(features, size, indirectEntries);
  if (offset >= 0 && offset % 4096 === 0 && offset + bytes <= region.size) return;
  throw new VioError(
    `a virtqueue of ${bytes} bytes cannot lie at offset ${offset} of a region of ${region.size} bytes`,
    {
      code: 'VIO_RING_PART',
      remedy: 'Choose a multiple of 4096, with driverQueueBytes() of the region behind it.',
    },
  );
}
