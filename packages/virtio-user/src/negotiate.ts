import { VioError } from '@vio/native';
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
  VIRTIO_NET_F_STATUS,
  checkOffloads,
  controlledOffloads,
  featureNames,
  offloadFeatures,
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
import type { VirtioUserConfig } from './config.ts';
import type { ControlKind } from './control/port-control.ts';

/** The outcome of the negotiation. */
export interface Negotiated {
  /** What the port has: what the backend is told, and what this side provides by itself (MAC, STATUS, MQ). */
  readonly features: bigint;
  /** What the backend is told in SET_FEATURES. */
  readonly backend: bigint;
  /** Where the commands of the port's control queue go. */
  readonly control: ControlKind;
  /** Asked for by the devargs and options, or by default, and not to be had: names of features. */
  readonly missing: readonly string[];
}

/** What devargs have no word for. */
export interface Wishes {
  /** The backend's configuration space can be read. */
  readonly hasConfig?: boolean | undefined;
  /** Kicks and calls by event index where the backend offers that. */
  readonly eventIdx?: boolean | undefined;
  /** Single queues can be reset where the backend offers that. */
  readonly ringReset?: boolean | undefined;
  /** Whose the control queue is, if the port has one. Default: what the features say. */
  readonly controlQueue?: ControlQueueOwner | undefined;
  /** The port has an MTU of its own. */
  readonly mtu?: boolean | undefined;
  /** The backend can be told an MTU. */
  readonly canSetMtu?: boolean | undefined;
}

/** Who answers the commands of a port: the backend, on a ring of its own, or the frontend in its place. */
export type ControlQueueOwner = 'backend' | 'emulated';

/** What a port with a control queue would like to do with it. */
const controlFeatures =
  VIRTIO_NET_F_CTRL_VQ |
  VIRTIO_NET_F_CTRL_RX |
  VIRTIO_NET_F_CTRL_RX_EXTRA |
  VIRTIO_NET_F_CTRL_VLAN |
  VIRTIO_NET_F_CTRL_MAC_ADDR;
/** What the frontend does in place of a backend without a control queue. */
const emulatedFeatures = controlFeatures;
const rxOffloads = offloadFeatures({ lro: true, uro: true, ecn: true });

/** Provided by the frontend for a vhost-user backend: it knows the address, and the socket is the link. */
const frontendOwn = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS;

/** Bits of the modern interface: without VERSION_1 they mean nothing. */
const modernOnly = VIRTIO_F_IN_ORDER | VIRTIO_F_RING_PACKED | VIRTIO_F_RING_RESET;

/** Taken from a device that has a configuration space to say them in. */
const deviceOwn = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MTU;

/** Taken where they are offered, and missed by nobody. */
const nobodyAskedFor = VIRTIO_F_ANY_LAYOUT | VIRTIO_F_RING_RESET | deviceOwn;

/**
 * Decides the features of a port. Pure. The intersection of what the devargs ask for and what the backend offers; a
 * bit whose prerequisite is missing is not taken (virtio 1.4, 2.2.1 and 5.1.3.1).
 * @throws VioError VIO_OFFLOAD_UNAVAILABLE when not all offloads asked for are offered, VIO_FEATURE_MISSING when the devargs cannot be met: packed_vq or several queues not offered
 */
export function negotiate(
  config: VirtioUserConfig,
  offered: bigint,
  offloads: OffloadOptions = {},
  wishes: Wishes = {},
): Negotiated {
  const { hasConfig = false, eventIdx = false, ringReset = false, mtu = false, canSetMtu = false } = wishes;
  const wanted =
    (hasConfig ? deviceOwn : 0n) |
    (eventIdx ? VIRTIO_F_EVENT_IDX : 0n) |
    (ringReset ? VIRTIO_F_RING_RESET : 0n) |
    (mtu && canSetMtu ? VIRTIO_NET_F_MTU : 0n) |
    offloadFeatures(offloads) |
    VIRTIO_F_VERSION_1 |
    VIRTIO_F_ANY_LAYOUT |
    VIRTIO_F_INDIRECT_DESC |
    (config.mrg_rxbuf ? VIRTIO_NET_F_MRG_RXBUF : 0n) |
    (config.in_order ? VIRTIO_F_IN_ORDER : 0n) |
    (config.packed_vq ? VIRTIO_F_RING_PACKED : 0n) |
    (config.queues > 1 ? VIRTIO_NET_F_MQ : 0n);
  let backend = wanted & offered;
  if ((backend & VIRTIO_F_VERSION_1) === 0n) backend &= ~modernOnly;
  else backend &= ~VIRTIO_F_ANY_LAYOUT; // implied
  if (config.packed_vq && (backend & VIRTIO_F_RING_PACKED) === 0n) {
    throw missing(
      'RING_PACKED',
      'packed_vq=1',
      'use split rings (packed_vq=0) or a backend with packed rings',
    );
  }
  if (config.queues > 1 && (backend & VIRTIO_NET_F_MQ) === 0n) {
    throw missing('MQ', `queues=${config.queues}`, 'use one queue pair, or a backend with several');
  }
  const control = controlKind(config, offloads, offered, wishes.controlQueue);
  if (control === 'ring' || control === 'transport') {
    const guestOffloads = (backend & rxOffloads) === 0n ? 0n : VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
    const announcing = hasConfig ? VIRTIO_NET_F_GUEST_ANNOUNCE : 0n;
    backend |= (controlFeatures | guestOffloads | announcing) & offered;
  } else backend &= ~controlledOffloads;
  checkOffloads(offloads, backend);
  return {
    features: backend | frontendOwn | (control === 'emulated' ? emulatedFeatures : 0n),
    backend,
    control,
    missing: featureNames(((wanted & ~nobodyAskedFor) | (mtu ? VIRTIO_NET_F_MTU : 0n)) & ~backend),
  };
}

/**
 * As in DPDK, several queue pairs bring a control queue along. Backends that leave it to the frontend offer CTRL_VQ all the
 * same (DPDK's vhost library does); one that can be given an address hears commands.
 */
function controlKind(
  config: VirtioUserConfig,
  { rss, hashReport }: OffloadOptions,
  offered: bigint,
  owner: ControlQueueOwner | undefined,
): ControlKind {
  if (!config.cq && config.queues === 1 && rss !== true && hashReport !== true) return 'none';
  if (owner === 'emulated' || config.backend === 'vhost-kernel') return 'emulated';
  if (owner === 'backend' && (offered & VIRTIO_NET_F_CTRL_VQ) === 0n) {
    throw missing('CTRL_VQ', "controlQueue: 'backend'", 'leave it out: the control queue is emulated then');
  }
  const own = VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_MAC_ADDR;
  if (config.backend === 'vhost-vdpa')
    return (offered & VIRTIO_NET_F_CTRL_VQ) === 0n ? 'emulated' : 'transport';
  return owner === 'backend' || (offered & own) === own ? 'ring' : 'emulated';
}

function missing(bit: string, devarg: string, remedy: string): VioError {
  return new VioError(`${devarg} needs the feature ${bit}, which the backend does not offer`, {
    code: 'VIO_FEATURE_MISSING',
    remedy,
  });
}
