import { VioError } from '@vio/native';
import type { RingFeatures } from '../format.ts';
import { maxPackedSize } from './packed-layout.ts';
import { maxSplitSize } from './split-layout.ts';

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
