import { VioError } from '@vio/native';
import {
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';
import {
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
  VIRTIO_NET_F_SPEED_DUPLEX,
  VIRTIO_NET_F_STATUS,
  featureNames,
} from '../../feature-bits.ts';
import { ethernetBytes } from '../../packet-headers.ts';
import {
  type OffloadOptions,
  checkOffloads,
  controlledOffloads,
  offloadFeatures,
} from '../../offload/offload-features.ts';
import type { ControlRoute } from '../control/port-control.ts';
import type { DeviceControl, DeviceTraits } from '../net-device.ts';

/** What a port wishes its features to be. */
export interface FeatureWishes {
  /** Queue pairs. Default 1. */
  readonly queues?: number | undefined;
  /** Packed rings: true: nothing else will do; false: never. Default: where they are offered. */
  readonly packed?: boolean | undefined;
  /** Buffers are used in order. Default: where that is offered. */
  readonly inOrder?: boolean | undefined;
  /** Received packets may lie in several buffers. Default: where that is offered. */
  readonly mergeable?: boolean | undefined;
  /**
   * True: kicks and calls by event index (EVENT_IDX) where that is offered, so that two sides that sleep wake each other once
   * for many packets. Default false, as DPDK: for two that poll it is only work.
   */
  readonly eventIdx?: boolean | undefined;
  /** Checksums and segmentation that are left to the other side; each is missed by name. Default: none. */
  readonly offloads?: OffloadOptions | undefined;
  /** More feature bits that are taken where they are offered. */
  readonly wanted?: bigint | undefined;
  /** Feature bits that are not taken although they are offered; nor are they missed. Default 0n: none. */
  readonly without?: bigint | undefined;
  /**
   * Who carries out commands: true: the device's control queue if it has one that answers, else whoever can take its place;
   * `device`: its control queue, or the port is not opened; `emulated`: whoever takes its place; false: nobody. Default true.
   */
  readonly controlQueue?: boolean | 'device' | 'emulated' | undefined;
}

export interface FeatureChoice extends FeatureWishes {
  readonly offered: bigint;
  readonly traits: DeviceTraits;
  readonly control: DeviceControl | undefined;
  /** The device has a configuration space to say things in. */
  readonly hasConfig: boolean;
  /** Bytes behind the Ethernet header that the application allows frames; undefined: it does not say. */
  readonly ownMtu: number | undefined;
  /** The same of the device. */
  readonly deviceMtu: number | undefined;
  /** The device can be told the application's. */
  readonly tellsMtu: boolean;
  /** Bytes of a receive buffer. */
  readonly room: number;
}

/** The outcome of the choice. */
export interface ChosenFeatures {
  /** What the port has: what the device accepts, and what is done in its place. */
  readonly features: bigint;
  /** What the device accepts. */
  readonly accepted: bigint;
  /** Where the commands of the port go. */
  readonly control: ControlRoute;
  /** Asked for by options or by default, and not to be had: names of features. */
  readonly missing: readonly string[];
}

/** What a port with a control queue would like to do with it. */
const controlFeatures =
  VIRTIO_NET_F_CTRL_VQ |
  VIRTIO_NET_F_CTRL_RX |
  VIRTIO_NET_F_CTRL_RX_EXTRA |
  VIRTIO_NET_F_CTRL_VLAN |
  VIRTIO_NET_F_CTRL_MAC_ADDR;
const rxOffloads = offloadFeatures({ lro: true, uro: true, ecn: true });

/** Taken from a device that has a configuration space to say them in. */
const configured = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MTU | VIRTIO_NET_F_SPEED_DUPLEX;

/** Devices of before virtio 1 have no others. */
const legacyFeatures = 0xffff_ffffn;

/**
 * Decides the features of a port. Pure. The intersection of what it wishes and what the device offers; a bit whose
 * prerequisite is missing is not taken, nor one that nobody here knows (virtio 1.4, sections 2.2.1 and 5.1.3.1).
 * @throws VioError VIO_FEATURE_MISSING when a wish cannot be met: packed rings, several queue pairs, the device's control
 *   queue; VIO_OFFLOAD_UNAVAILABLE when not all offloads asked for are offered
 */
export function chooseFeatures(choice: FeatureChoice): ChosenFeatures {
  const { traits, queues = 1, offloads = {}, without = 0n } = choice;
  const offered = choice.offered & ~without;
  if ((offered & traits.needed) !== traits.needed) throw needed(traits.needed & ~offered, choice);
  const wanted = wishes(choice);
  let accepted = wanted & offered;
  if ((accepted & VIRTIO_F_VERSION_1) === 0n) accepted &= legacyFeatures;
  else accepted &= ~VIRTIO_F_ANY_LAYOUT; // implied
  if (choice.packed === true && (accepted & VIRTIO_F_RING_PACKED) === 0n) {
    throw missing(
      'RING_PACKED',
      'packed_vq=1',
      'use split rings (packed_vq=0) or a device with packed rings',
    );
  }
  if (queues > 1 && (accepted & VIRTIO_NET_F_MQ) === 0n) {
    throw missing('MQ', `queues=${queues}`, 'use one queue pair, or give the device several');
  }
  const control = controlRoute(choice, offered);
  if (control === 'ring' || control === 'device') {
    const guestOffloads = (accepted & rxOffloads) === 0n ? 0n : VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
    const announcing = choice.hasConfig ? VIRTIO_NET_F_GUEST_ANNOUNCE : 0n;
    accepted |= (controlFeatures | guestOffloads | announcing) & offered;
  } else {
    if (queues > 1 && control === 'none') {
      if (choice.controlQueue === false) throw unwantedControl(queues);
      throw missing('CTRL_VQ', `queues=${queues}`, 'use one queue pair, or give the device a control queue');
    }
    accepted &= ~controlledOffloads;
  }
  if (!fits(choice, accepted)) accepted &= ~VIRTIO_NET_F_MTU;
  checkOffloads(offloads, accepted);
  return {
    features: accepted | traits.own | (control === 'emulated' ? controlFeatures : 0n),
    accepted,
    control,
    missing: featureNames(asked(choice, wanted) & ~accepted & ~without),
  };
}

function wishes(choice: FeatureChoice): bigint {
  const { queues = 1, packed, inOrder, mergeable, eventIdx, offloads = {}, wanted = 0n } = choice;
  return (
    choice.traits.wanted |
    choice.traits.needed |
    wanted |
    (choice.hasConfig ? configured : 0n) |
    (choice.tellsMtu && choice.ownMtu !== undefined ? VIRTIO_NET_F_MTU : 0n) |
    offloadFeatures(offloads) |
    VIRTIO_F_VERSION_1 |
    VIRTIO_F_ANY_LAYOUT |
    VIRTIO_F_INDIRECT_DESC |
    (eventIdx === true ? VIRTIO_F_EVENT_IDX : 0n) |
    (mergeable === false ? 0n : VIRTIO_NET_F_MRG_RXBUF) |
    (inOrder === false ? 0n : VIRTIO_F_IN_ORDER) |
    (packed === false ? 0n : VIRTIO_F_RING_PACKED) |
    (queues > 1 ? VIRTIO_NET_F_MQ : 0n)
  );
}

/** What of the wishes somebody would miss; the rest is taken where it is offered. */
function asked(choice: FeatureChoice, wanted: bigint): bigint {
  const { traits, packed, inOrder, mergeable, ownMtu } = choice;
  const unasked =
    VIRTIO_F_ANY_LAYOUT |
    configured |
    traits.wanted |
    (choice.wanted ?? 0n) |
    (packed === undefined ? VIRTIO_F_RING_PACKED : 0n) |
    (inOrder === undefined ? VIRTIO_F_IN_ORDER : 0n) |
    (mergeable === undefined ? VIRTIO_NET_F_MRG_RXBUF : 0n);
  return (wanted & ~unasked) | (ownMtu === undefined ? 0n : VIRTIO_NET_F_MTU);
}

function controlRoute({ controlQueue = true, control }: FeatureChoice, offered: bigint): ControlRoute {
  if (controlQueue === false) return 'none';
  const queue = control?.queue;
  if (controlQueue !== 'emulated' && queue !== undefined) {
    if (controlQueue === 'device' && (offered & VIRTIO_NET_F_CTRL_VQ) === 0n) {
      throw missing('CTRL_VQ', 'the control queue', 'leave the choice out: commands are emulated then');
    }
    if (controlQueue === 'device' || (offered & queue.features) === queue.features)
      return queue.channel === undefined ? 'ring' : 'device';
  }
  return control?.substitute === undefined ? 'none' : 'emulated';
}

/** A device whose MTU is accepted may send frames of that size: there must be room for them (section 5.1.4.2). */
function fits({ ownMtu, deviceMtu, room }: FeatureChoice, accepted: bigint): boolean {
  const mtu = ownMtu ?? deviceMtu;
  return mtu === undefined || (accepted & VIRTIO_NET_F_MRG_RXBUF) !== 0n || mtu + ethernetBytes <= room;
}

/** Bits without which the device cannot be driven: it lacks them, or the application does not want them. */
function needed(bits: bigint, { offered }: FeatureChoice): VioError {
  const names = featureNames(bits).join(', ');
  if ((offered & bits) !== bits) return missing(names, 'this transport', 'the device is broken: use another');
  return new VioError(`this transport needs the feature ${names}, which is one of \`without\``, {
    code: 'VIO_FEATURE_MISSING',
    remedy: `leave ${names} out of \`without\``,
  });
}

function unwantedControl(queues: number): VioError {
  return new VioError(`queues=${queues} needs the feature CTRL_VQ, which controlQueue: false leaves out`, {
    code: 'VIO_FEATURE_MISSING',
    remedy: 'leave controlQueue out, or use one queue pair',
  });
}

function missing(feature: string, what: string, remedy: string): VioError {
  return new VioError(`${what} needs the feature ${feature}, which the device does not offer`, {
    code: 'VIO_FEATURE_MISSING',
    remedy,
  });
}
