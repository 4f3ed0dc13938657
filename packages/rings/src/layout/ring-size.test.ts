import { VioError } from '@vio/native';
import { describe, expect, it } from 'vitest';
import { createDriverQueue } from '../driver/create-driver-queue.ts';
import type { RingFormat } from '../format.ts';
import { Region } from '../memory/region.ts';
import { checkRingSize } from './ring-size.ts';

const features = (format: RingFormat) => ({ format, inOrder: false, indirect: false, eventIdx: false });

const refused: [RingFormat, number][] = [
  ...[0, -1, -8, 3, 12, 32767, 65536, 0x1_0000_0000, 1.5, NaN, Infinity].map((n): [RingFormat, number] => [
    'split',
    n,
  ]),
  ...[0, -1, 32769, 65536, 0x1_0000_0001, 7.5, NaN, Infinity].map((n): [RingFormat, number] => ['packed', n]),
];

describe('checkRingSize', () => {
  it.each(Array.from({ length: 16 }, (_, i) => 2 ** i))('allows a split ring of %i', (size) => {
    expect(() => checkRingSize(features('split'), size)).not.toThrow();
  });

  it.each([1, 2, 3, 255, 1000, 32767, 32768])('allows a packed ring of %i', (size) => {
    expect(() => checkRingSize(features('packed'), size)).not.toThrow();
  });

  it.each(refused)('refuses a %s ring of %d', (format, size) => {
    const allowed = format === 'split' ? 'a power of two from 1 to 32768' : '1 to 32768';
    expect(() => checkRingSize(features(format), size)).toThrow(
      expect.objectContaining({
        constructor: VioError,
        code: 'VIO_RING_SIZE',
        message: `a ${format} virtqueue cannot have ${size} descriptors`,
        remedy: `choose ${allowed}`,
      }),
    );
  });

  it.each(refused)('a driver queue of a %s ring of %d is not built', (format, size) => {
    const region = new Region(new ArrayBuffer(4096));
    const options = { region, offset: 0, size, features: features(format), deviceWrites: false };
    expect(() => createDriverQueue(options)).toThrow(expect.objectContaining({ code: 'VIO_RING_SIZE' }));
  });
});
