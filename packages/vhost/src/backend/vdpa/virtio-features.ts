import {
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_MQ,
  offloadFeatureBits,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_SPEED_DUPLEX,
  VIRTIO_NET_F_STATUS,
} from '@vio/net';
import {
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_ORDER_PLATFORM,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';

/** What says that fields of the configuration space are there, which is a device's own. */
export const configSpaceFeatures =
  VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MTU | VIRTIO_NET_F_SPEED_DUPLEX;

/** How a device reaches memory: between it and whoever drives it, its frontend does not know. */
const platform = VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM;

const ofFrontends =
  VIRTIO_F_VERSION_1 |
  VIRTIO_F_ANY_LAYOUT |
  VIRTIO_F_INDIRECT_DESC |
  VIRTIO_F_EVENT_IDX |
  VIRTIO_F_IN_ORDER |
  VIRTIO_F_RING_PACKED |
  VIRTIO_NET_F_MRG_RXBUF |
  VIRTIO_NET_F_MQ |
  configSpaceFeatures |
  offloadFeatureBits;

/** What of a virtio network card's features frontends can have: its control queue is driven by whoever has the card, if at all. */
export function frontendFeatures(offered: bigint): bigint {
  return offered & ofFrontends;
}

/** What is agreed on with the card beside what the frontend took. */
export function ownFeatures(offered: bigint, taken: bigint): bigint {
  const control = (taken & VIRTIO_NET_F_MQ) === 0n ? 0n : VIRTIO_NET_F_CTRL_VQ;
  return offered & (platform | control);
}
