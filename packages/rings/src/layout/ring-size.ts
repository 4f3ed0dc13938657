import { VioError } from '@vio/native';
import type { RingFeatures } from '../format.ts';
import { maxPackedSize } from './packed-layout.ts';
import { maxSplitSize } from './split-layout.ts';

/** What the number of descriptors depends on. */
type Format = Pick<RingFeatures, 'format'>;

const most = ({ format }: Format): number => (format === 'split' ? maxSplitSize : maxPackedSize);

/** Whether a virtqueue of this format can have so many descriptors (virtio 1.4, sections 2.7 and 2.8). */
export function isRingSize(features: Format, size: number): boolean {
  const powerOfTwo = (size & (size - 1)) === 0;
  const inRange = Number.isInteger(size) && size >= 1 && size <= most(features);
  return inRange && (powerOfTwo || features.format === 'packed');
}

/** @throws VioError VIO_RING_SIZE when no virtqueue of this format has so many descriptors */
export function checkRingSize(features: Format, size: number): void {
  if (isRingSize(features, size)) return;
  const allowed = `1 to ${most(features)}`;
  throw new VioError(`a ${features.format} virtqueue cannot have ${size} descriptors`, {
    code: 'VIO_RING_SIZE',
    remedy: `choose ${features.format === 'split' ? 'a power of two from ' : ''}${allowed}`,
  });
}
