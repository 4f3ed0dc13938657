import type { QueueSizeRequest } from '@vio/net';
import { checkRingSize } from '@vio/rings/internal';
import { pciError } from '../access/pci-errors.ts';

/** What the size of a ring depends on. Without a wish 1024 descriptors are enough. */
export interface QueueSizeInput extends QueueSizeRequest {
  /** Descriptors the device allows at most. */
  readonly most: number;
  /** The device takes fewer. */
  readonly resizable: boolean;
}

const usualSize = 1024;

/**
 * Decides the size of a ring. Pure. Without a wish it is the device's, at most 1024 where it takes less; a wish that the device does
 * not have is answered with what it has.
 * @throws VioError VIO_RING_SIZE for what no ring of the format can have, VIO_PCI_NO_QUEUE
 */
export function chooseQueueSize({
  queue,
  most,
  wanted,
  enough = usualSize,
  resizable,
  format,
}: QueueSizeInput): number {
  if (most === 0) throw noQueue(queue);
  const size = wanted ?? Math.min(most, enough);
  checkRingSize({ format }, size);
  return resizable ? Math.min(size, most) : most;
}

function noQueue(index: number) {
  return pciError(
    'VIO_PCI_NO_QUEUE',
    `the device has no queue ${index}`,
    'it is not a virtio-net device, or a broken one',
  );
}
