import {
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_PACKED,
} from './feature-bits.ts';

/** How a virtqueue is laid out in memory (virtio 1.4, sections 2.7 and 2.8). */
export type RingFormat = 'split' | 'packed';

/** What both sides agreed on that a virtqueue needs to know. Decided once, before the queue is built. */
export interface RingFeatures {
  /** VIRTIO_F_RING_PACKED */
  readonly format: RingFormat;
  /** VIRTIO_F_IN_ORDER */
  readonly inOrder: boolean;
  /** VIRTIO_F_INDIRECT_DESC */
  readonly indirect: boolean;
  /** VIRTIO_F_EVENT_IDX */
  readonly eventIdx: boolean;
}

/** @returns what a virtqueue needs to know of a device's negotiated features */
export function ringFeatures(features: bigint): RingFeatures {
  const has = (bit: bigint): boolean => (features & bit) !== 0n;
  return {
    format: has(VIRTIO_F_RING_PACKED) ? 'packed' : 'split',
    inOrder: has(VIRTIO_F_IN_ORDER),
    indirect: has(VIRTIO_F_INDIRECT_DESC),
    eventIdx: has(VIRTIO_F_EVENT_IDX),
  };
}
