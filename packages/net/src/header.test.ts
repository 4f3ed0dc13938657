import { VIRTIO_F_ANY_LAYOUT, VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { VIRTIO_NET_F_HASH_REPORT, VIRTIO_NET_F_MRG_RXBUF } from './feature-bits.ts';
import { headerSize } from './header.ts';

describe('the header in front of a packet', () => {
  it.each([
    ['of a legacy device', 0n],
    ['of a legacy device with ANY_LAYOUT and IN_ORDER', VIRTIO_F_ANY_LAYOUT | VIRTIO_F_IN_ORDER],
  ])('%s has 10 bytes', (_, features) => {
    expect(headerSize(features)).toBe(10);
  });

  it.each([
    ['VERSION_1', VIRTIO_F_VERSION_1],
    ['MRG_RXBUF of a legacy device', VIRTIO_NET_F_MRG_RXBUF],
    ['a packed ring', VIRTIO_F_RING_PACKED],
    ['VERSION_1 and MRG_RXBUF', VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF],
  ])('with %s has num_buffers: 12 bytes', (_, features) => {
    expect(headerSize(features)).toBe(12);
  });

  it.each([
    ['alone', VIRTIO_NET_F_HASH_REPORT],
    ['beside VERSION_1', VIRTIO_NET_F_HASH_REPORT | VIRTIO_F_VERSION_1],
    ['beside MRG_RXBUF', VIRTIO_NET_F_HASH_REPORT | VIRTIO_NET_F_MRG_RXBUF],
  ])('with HASH_REPORT %s has hash value and type: 20 bytes', (_, features) => {
    expect(headerSize(features)).toBe(20);
  });
});
