import { describe, expect, it } from 'vitest';
import { checkIovaRange, checkRingSize } from './vdpa-errors.ts';

const range = { first: 0x1000n, last: 0xffff_ffffn };
const region = (guestAddress: bigint, size: bigint) => ({ guestAddress, size, userAddress: 0n });

describe('what a device reaches', () => {
  it.each([
    ['from its first address', region(0x1000n, 0x1000n)],
    ['to its last', region(0xffff_f000n, 0x1000n)],
  ])('is memory %s', (_what, each) => {
    expect(() => checkIovaRange([each], range)).not.toThrow();
  });

  it.each([
    ['before its first address', region(0xfffn, 0x1000n)],
    ['beyond its last', region(0xffff_f000n, 0x1001n)],
  ])('is not memory %s', (_what, each) => {
    expect(() => checkIovaRange([region(0x1000n, 1n), each], range)).toThrow(
      expect.objectContaining({ code: 'VIO_VDPA_IOVA_RANGE' }),
    );
  });

  it('is a ring as long as it says, and none longer', () => {
    expect(() => checkRingSize(256, 256)).not.toThrow();
    expect(() => checkRingSize(512, 256)).toThrow(expect.objectContaining({ code: 'VIO_VHOST_RING' }));
  });
});
