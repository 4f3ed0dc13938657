import {
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_SPEED_DUPLEX,
  VIRTIO_NET_F_STATUS,
} from '@vio/net';
import {
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_NOTIF_CONFIG_DATA,
  VIRTIO_F_ORDER_PLATFORM,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';
import { pciError } from '../access/pci-errors.ts';

const wanted =
  VIRTIO_F_ANY_LAYOUT |
  VIRTIO_F_INDIRECT_DESC |
  VIRTIO_NET_F_MAC |
  VIRTIO_NET_F_STATUS |
  VIRTIO_NET_F_MRG_RXBUF;
/** Bits above 31, which only the modern registers can carry. */
const wantedModern =
  VIRTIO_F_VERSION_1 |
  VIRTIO_F_ACCESS_PLATFORM |
  VIRTIO_F_RING_PACKED |
  VIRTIO_F_IN_ORDER |
  VIRTIO_F_ORDER_PLATFORM |
  VIRTIO_F_NOTIF_CONFIG_DATA |
  VIRTIO_F_RING_RESET |
  VIRTIO_NET_F_SPEED_DUPLEX |
  VIRTIO_NET_F_MTU;

export interface FeatureChoice {
  readonly offered: bigint;
  /** Whether the device is driven by its modern registers. */
  readonly modern: boolean;
  /** Bits that are not to be taken. */
  readonly without: bigint;
  /** The device's MTU if it offers one: a port without mergeable buffers must have room for it. */
  readonly mtu: number | null;
  /** Bytes of a receive buffer. */
  readonly room: number;
}

const ethernetHeader = 14;

/**
 * What is taken of the offered features. Pure. Unknown bits are not.
 * @throws VioError VIO_FEATURE_MISSING when modern registers come without VERSION_1
 */
export function chooseFeatures({ offered, modern, without, mtu, room }: FeatureChoice): bigint {
  let features = offered & (wanted | (modern ? wantedModern : 0n)) & ~without;
  if (!modern) return features;
  if ((features & VIRTIO_F_VERSION_1) === 0n) {
    throw pciError(
      'VIO_FEATURE_MISSING',
      'the device has modern registers, but not the feature VERSION_1',
      'the device is broken; one with legacy registers only would be driven by those',
    );
  }
  features &= ~VIRTIO_F_ANY_LAYOUT; // implied
  const mergeable = (features & VIRTIO_NET_F_MRG_RXBUF) !== 0n;
  if (mtu !== null && !mergeable && mtu + ethernetHeader > room) features &= ~VIRTIO_NET_F_MTU;
  return features;
}
