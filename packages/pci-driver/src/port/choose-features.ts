import {
  type OffloadOptions,
  VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_RX_EXTRA,
  VIRTIO_NET_F_CTRL_VLAN,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_GUEST_ANNOUNCE,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_RSS,
  VIRTIO_NET_F_SPEED_DUPLEX,
  VIRTIO_NET_F_STATUS,
  offloadFeatures,
} from '@vio/net';
import {
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_NOTIFICATION_DATA,
  VIRTIO_F_NOTIF_CONFIG_DATA,
  VIRTIO_F_ORDER_PLATFORM,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';
import { pciError } from '../access/pci-errors.ts';

/** What needs a control queue. */
const byControl =
  VIRTIO_NET_F_CTRL_RX |
  VIRTIO_NET_F_CTRL_RX_EXTRA |
  VIRTIO_NET_F_CTRL_VLAN |
  VIRTIO_NET_F_CTRL_MAC_ADDR |
  VIRTIO_NET_F_GUEST_ANNOUNCE;
const wanted =
  VIRTIO_F_ANY_LAYOUT |
  VIRTIO_F_INDIRECT_DESC |
  VIRTIO_NET_F_MAC |
  VIRTIO_NET_F_STATUS |
  VIRTIO_NET_F_MRG_RXBUF |
  VIRTIO_NET_F_CTRL_VQ |
  byControl;
/** Bits above 31, which only the modern registers can carry. */
const wantedModern =
  VIRTIO_F_VERSION_1 |
  VIRTIO_F_ACCESS_PLATFORM |
  VIRTIO_F_RING_PACKED |
  VIRTIO_F_IN_ORDER |
  VIRTIO_F_ORDER_PLATFORM |
  VIRTIO_F_NOTIFICATION_DATA |
  VIRTIO_F_NOTIF_CONFIG_DATA |
  VIRTIO_F_RING_RESET |
  VIRTIO_NET_F_SPEED_DUPLEX |
  VIRTIO_NET_F_MTU;

export interface FeatureChoice {
  readonly offered: bigint;
  /** Whether the device is driven by its modern registers. */
  readonly modern: boolean;
  /** Queue pairs the application asked for. */
  readonly pairs: number;
  readonly offloads: OffloadOptions;
  /** Bits that are not to be taken. */
  readonly without: bigint;
  /** The device's MTU if it offers one: a port without mergeable buffers must have room for it. */
  readonly mtu: number | null;
  /** Bytes of a receive buffer. */
  readonly room: number;
}

const ethernetHeader = 14;

/**
 * What is taken of the offered features. Pure. Unknown bits are not, nor those whose prerequisite is missing (virtio
 * 1.4, 2.2.1 and 5.1.3.1).
 * @throws VioError VIO_FEATURE_MISSING when modern registers come without VERSION_1, or several pairs without MQ
 */
export function chooseFeatures(choice: FeatureChoice): bigint {
  const { offered, modern, pairs, without, mtu, room } = choice;
  const several = pairs > 1 ? VIRTIO_NET_F_MQ | (modern ? VIRTIO_NET_F_RSS : 0n) : 0n;
  const offloads = offloadFeatures(choice.offloads);
  const control = choice.offloads.lro === true ? VIRTIO_NET_F_CTRL_GUEST_OFFLOADS : 0n;
  let features = offered & (wanted | several | offloads | control | (modern ? wantedModern : 0n)) & ~without;
  if ((features & VIRTIO_NET_F_CTRL_VQ) === 0n) features &= ~(byControl | several | control);
  if (pairs > 1 && (features & VIRTIO_NET_F_MQ) === 0n) {
    throw pciError(
      'VIO_FEATURE_MISSING',
      `${pairs} queue pairs need the features MQ and CTRL_VQ, which the device does not offer`,
      'use one queue pair, or give the device several (QEMU: mq=on, and a backend with queues=N)',
    );
  }
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
