/** How a virtqueue is laid out in memory (virtio 1.4, sections 2.7 and 2.8). */
export type RingFormat = 'split' | 'packed';

/** What both sides agreed on that a virtqueue needs to know. Decided once, before the queue is built. */
export interface RingFeatures {
  readonly format: RingFormat;
  /** VIRTIO_F_IN_ORDER */
  readonly inOrder: boolean;
  /** VIRTIO_F_INDIRECT_DESC */
  readonly indirect: boolean;
  /** VIRTIO_F_EVENT_IDX */
  readonly eventIdx: boolean;
}
