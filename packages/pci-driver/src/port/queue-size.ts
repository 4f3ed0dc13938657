import type { RingFormat } from '@vio/rings';
import { pciError } from '../access/pci-errors.ts';

/** What the size of a port's rings depends on. */
export interface QueueSizeInput {
  /** Numbers of the queues. */
  readonly queues: readonly number[];
  /** Descriptors the device allows each of them at most. */
  readonly sizes: readonly number[];
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
 * Decides the size of all rings of a port. Pure. Without a wish it is the device's, at most 1024 where it takes less.
 * @throws VioError VIO_PCI_QUEUE_SIZE, VIO_PCI_NO_QUEUE
 */
export function chooseQueueSize({
  queues,
  sizes,
  wanted,
  enough = usualSize,
  resizable,
  format,
}: QueueSizeInput): number {
  if (sizes.includes(0)) {
    throw noQueue(queues[sizes.indexOf(0)]);
  }
  const most = Math.min(...sizes);
  if (!resizable) {
    const equal = sizes.every((size) => size === most);
    if (equal && (wanted === undefined || wanted === most)) return most;
    throw sizeError(
      equal
        ? `the rings of this legacy device have ${most} descriptors, not ${String(wanted)}`
        : `the rings of this legacy device have ${sizes.join(' and ')} descriptors`,
      equal
        ? `leave the size out, or give ${most}`
        : 'give the device rings of equal size, or modern registers',
    );
  }
  const powerOfTwo = (n: number): boolean => (n & (n - 1)) === 0;
  const size = wanted ?? Math.min(most, enough);
  const fits = Number.isInteger(size) && size >= 1 && size <= most;
  if (fits && (format === 'packed' || powerOfTwo(size))) return size;
  throw sizeError(
    `a ${format} ring of ${size} descriptors is not possible on this device`,
    format === 'split' ? `use a power of two up to ${most}` : `use 1 to ${most}`,
  );
}

function noQueue(index: number) {
  return pciError(
    'VIO_PCI_NO_QUEUE',
    `the device has no queue ${index}`,
    'it is not a virtio-net device, or a broken one',
  );
}

function sizeError(message: string, remedy: string) {
  return pciError('VIO_PCI_QUEUE_SIZE', message, remedy);
}
