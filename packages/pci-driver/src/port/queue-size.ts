import type { RingFormat } from '@vio/rings';
import { pciError } from '../access/pci-errors.ts';

/** What the size of a pair's rings depends on. */
export interface QueueSizeInput {
  /** Descriptors the device allows at most for each of the two. */
  readonly rx: number;
  readonly tx: number;
  /** Descriptors the application asked for. */
  readonly wanted: number | undefined;
  /** Whether the device takes smaller rings: legacy ones do not. */
  readonly resizable: boolean;
  readonly format: RingFormat;
}

/** Rings longer than this buy nothing and take memory, unless asked for. */
const enough = 1024;

/**
 * Decides the size of both rings of a pair. Pure. Without a wish it is the device's, at most 1024 where it takes less.
 * @throws VioError VIO_PCI_QUEUE_SIZE, VIO_PCI_NO_QUEUE
 */
export function chooseQueueSize({ rx, tx, wanted, resizable, format }: QueueSizeInput): number {
  if (rx === 0 || tx === 0) {
    throw pciError(
      'VIO_PCI_NO_QUEUE',
      'the device has no receive or no transmit queue',
      'it is not a virtio-net device, or a broken one',
    );
  }
  const most = Math.min(rx, tx);
  if (!resizable) {
    if (rx === tx && (wanted === undefined || wanted === rx)) return rx;
    throw sizeError(
      rx === tx
        ? `the rings of this legacy device have ${rx} descriptors, not ${String(wanted)}`
        : `the rings of this legacy device have ${rx} and ${tx} descriptors`,
      rx === tx
        ? `leave the size out, or give ${rx}`
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

function sizeError(message: string, remedy: string) {
  return pciError('VIO_PCI_QUEUE_SIZE', message, remedy);
}
