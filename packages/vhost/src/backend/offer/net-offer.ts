import { VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_MQ } from '@vio/net';
import { supportedHashTypes } from '@vio/net/internal';
import { VIRTIO_F_ACCESS_PLATFORM } from '@vio/rings';
import {
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
} from '../../wire/index.ts';
import { rssLimits } from '../control/acceptable.ts';
import { type CommonConfig, DeviceConfigSpace } from '../type/device-config.ts';
import { hashFeatures, supportedFeatures, usualFeatures } from '../type/device-features.ts';
import { type DeviceShape, netShape } from '../type/device-shape.ts';
import { type NetConfig, checkNetConfig, configFeatures } from '../type/net-config.ts';
import type { DeviceOffer } from './device-offer.ts';
import {
  iommuUnsaid,
  mostQueuePairs,
  queueCount,
  unsupportedFeatures,
  unsupportedProtocol,
} from './offer-errors.ts';
import { supportedProtocolFeatures } from '../protocol/handlers.ts';

/** What a frontend is asked for translations by, and waits for. */
const iommuProtocol = VHOST_USER_PROTOCOL_F_BACKEND_REQ | VHOST_USER_PROTOCOL_F_REPLY_ACK;
/** A ring has a number of eight bits in messages: behind 128 pairs there is none left for a control queue. */
const mostPairsWithControl = 127;
/** For frontends without GET_QUEUE_NUM (MQ), unless a number was set: user-mode Linux gives a device of more than 64 rings up. */
const pairsOfOthers = 31;

/** What frontends are offered of a network card: features, queue pairs and a configuration space, as the application said and what follows from it. */
export class NetOffer implements DeviceOffer {
  #features: bigint;
  readonly #supported: bigint;
  /** As the application said; undefined: as many as there can be. */
  #queuePairs: number | undefined;
  /** As the application said; undefined: all that make sense. */
  #protocolFeatures: bigint | undefined;
  #config: NetConfig = {};

  /** @param iommu drivers may be behind an I/O MMU */
  constructor(iommu = false) {
    const platform = iommu ? VIRTIO_F_ACCESS_PLATFORM : 0n;
    this.#features = usualFeatures | platform;
    this.#supported = supportedFeatures | platform;
  }

  /** Device features, as the application said. */
  get features(): bigint {
    return this.#features;
  }

  /** @throws VioError VIO_VHOST_UNSUPPORTED_FEATURES */
  set features(mask: bigint) {
    const beyond = mask & ~this.#supported;
    if (beyond !== 0n) throw unsupportedFeatures(beyond, this.#supported);
    this.#features = mask;
  }

  /** @throws VioError VIO_QUEUE_COUNT */
  setQueuePairs(pairs: number): void {
    if (!Number.isInteger(pairs) || pairs < 1 || pairs > mostQueuePairs)
      throw queueCount(pairs, mostQueuePairs);
    this.#queuePairs = pairs;
  }

  /** @throws VioError VIO_VHOST_UNSUPPORTED_FEATURES */
  setProtocolFeatures(mask: bigint): void {
    const beyond = mask & ~supportedProtocolFeatures;
    if (beyond !== 0n) throw unsupportedProtocol(beyond, supportedProtocolFeatures);
    this.#protocolFeatures = mask;
  }

  /** @throws VioError VIO_VHOST_NET_CONFIG, VIO_OPTION_UNKNOWN */
  setConfig(config: NetConfig): void {
    checkNetConfig(config);
    this.#config = config;
  }

  /** @throws VioError VIO_QUEUE_COUNT for 128 queue pairs and a control queue; VIO_OPTION_CONFLICT */
  check(): void {
    const missing = iommuProtocol & ~this.protocolFeatures();
    if ((this.#features & VIRTIO_F_ACCESS_PLATFORM) !== 0n && missing !== 0n) throw iommuUnsaid(missing);
    const most = (this.#features & VIRTIO_NET_F_CTRL_VQ) === 0n ? mostQueuePairs : mostPairsWithControl;
    if (this.#queuePairs !== undefined && this.#queuePairs > most) throw queueCount(this.#queuePairs, most);
  }

  shape(taken: () => bigint): DeviceShape {
    const asked = this.#queuePairs;
    const pairs = (): number =>
      asked ?? ((taken() & VHOST_USER_PROTOCOL_F_MQ) === 0n ? pairsOfOthers : mostPairsWithControl);
    return netShape(pairs, new DeviceConfigSpace(() => this.#commonConfig(pairs())));
  }

  /** Device features for a frontend that connects now. */
  deviceFeatures(): bigint {
    return this.#withControl() | configFeatures(this.#config) | VHOST_USER_F_PROTOCOL_FEATURES;
  }

  /**
   * Protocol features for a frontend that connects now. QEMU warns of a configuration space that it does not look at: it is
   * offered where there is something in it, as the number of pairs for drivers that bring several into use.
   */
  protocolFeatures(): bigint {
    if (this.#protocolFeatures !== undefined) return this.#protocolFeatures;
    const spoken =
      configFeatures(this.#config) |
      (this.#withControl() & (hashFeatures | VIRTIO_NET_F_GUEST_ANNOUNCE | VIRTIO_NET_F_MQ));
    return spoken === 0n
      ? supportedProtocolFeatures & ~VHOST_USER_PROTOCOL_F_CONFIG
      : supportedProtocolFeatures;
  }

  /** What every device says of itself, as it is now. */
  #commonConfig(maxPairs: number): CommonConfig {
    const { mac, linkUp = true, mtu } = this.#config;
    const hashes = (this.#features & hashFeatures) !== 0n;
    return {
      mac,
      linkUp,
      mtu,
      maxPairs,
      ...(hashes ? { rss: { ...rssLimits, hashTypes: supportedHashTypes } } : {}),
    };
  }

  /**
   * Several pairs (MQ) come with a control queue, by which drivers say how many they use: Linux gives a device without one up
   * (virtio 1.4, section 5.1.3.1). QEMU and DPDK's frontend, which answer their drivers' commands themselves, take MQ alone and
   * leave CTRL_VQ. One pair is no reason for MQ, and behind 128 pairs there is no number left for a control queue.
   */
  #withControl(): bigint {
    const pairs = this.#queuePairs ?? mostPairsWithControl;
    if (pairs === 1) return this.#features & ~VIRTIO_NET_F_MQ;
    const several = (this.#features & VIRTIO_NET_F_MQ) !== 0n && pairs <= mostPairsWithControl;
    return several ? this.#features | VIRTIO_NET_F_CTRL_VQ : this.#features;
  }
}
