import {
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_RX_EXTRA,
  VIRTIO_NET_F_CTRL_VLAN,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_GUEST_ANNOUNCE,
  VIRTIO_NET_F_HASH_REPORT,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_RSS,
  offloadFeatureBits,
} from '@vio/net';
import {
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';
import { VHOST_F_LOG_ALL } from '../../wire/index.ts';

/** Offered unless the application says otherwise. */
export const usualFeatures =
  VIRTIO_F_VERSION_1 |
  VIRTIO_F_ANY_LAYOUT |
  VIRTIO_F_INDIRECT_DESC |
  VIRTIO_F_EVENT_IDX |
  VIRTIO_F_IN_ORDER |
  VIRTIO_F_RING_PACKED |
  VIRTIO_F_RING_RESET |
  VIRTIO_NET_F_MRG_RXBUF |
  VIRTIO_NET_F_MQ |
  VHOST_F_LOG_ALL |
  offloadFeatureBits;

/** A control queue of the device, and what a driver can ask for there. Not offered unless the application wants to. */
export const controlFeatures =
  VIRTIO_NET_F_CTRL_VQ |
  VIRTIO_NET_F_CTRL_RX |
  VIRTIO_NET_F_CTRL_RX_EXTRA |
  VIRTIO_NET_F_CTRL_VLAN |
  VIRTIO_NET_F_CTRL_MAC_ADDR |
  VIRTIO_NET_F_GUEST_ANNOUNCE;

/** Receive-side scaling and hash reports, which `ReceiveSteering` does. Not offered unless the application wants to. */
export const hashFeatures = VIRTIO_NET_F_RSS | VIRTIO_NET_F_HASH_REPORT;

/** All that is implemented. */
export const supportedFeatures = usualFeatures | controlFeatures | hashFeatures;
