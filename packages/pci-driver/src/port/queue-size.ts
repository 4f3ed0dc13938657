import type { RingFormat } from '@vio/rings';
import { pciError } from '../access/pci-errors.ts';

/** What the size of a ring depends on. */
export interface QueueSizeInput {
  /** Number of the queue. */
  readonly queue: number;
  /** Descriptors the device allows at most. */
  readonly most: number;
  /** Descriptors the application asked for. */
  readonly wanted: number | undefined;
  /** Descriptors that are taken without a wish, if the device allows as many. Default 1024. */
  readonly enough?: number | undefined;
  /** Whether the device takes smaller rings: legacy ones do not. */
  readonly resizable: boolean;
  readonly format: RingFormat;
}

/** Rings longer than this buy nothing and take memory, unless asked for. */
const usualSize = 1024;

/**
 * Decides the size of a ring. Pure. Without a wish it is the device's, at most 1024 where it takes less; a wish that the device does
 * not have is answered with what it has.
 * @throws VioError VIO_PCI_QUEUE_SIZE for what no ring of the format can have, VIO_PCI_NO_QUEUE
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
  const possible = (n: number): boolean =>
    Number.isInteger(n) && n >= 1 && (format === 'packed' || (n & (n - 1)) === 0);
  const size = wanted ?? Math.min(most, enough);
  if (!possible(size)) {
    throw pciError(
      'VIO_PCI_QUEUE_SIZE',
      `a ${format} ring of ${size} descriptors is not possible on this device`,
      format === 'split' ? `use a power of two up to ${most}` : `use 1 to ${most}`,
    );
  }
  return resizable ? Math.min(size, most) : most;
}

function noQueue(index: number) {
  return pciError(
    'VIO_PCI_NO_QUEUE',
    `the device has no queue ${index}`,
    'it is not a virtio-net device, or a broken one',
  );
}
