import {
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_RSS,
  VIRTIO_NET_F_SPEED_DUPLEX,
  VIRTIO_NET_F_STATUS,
} from '@vio/net';
import type { Field } from '../device/structure.ts';
import type { VirtioPciDevice } from '../device/virtio-pci-device.ts';

/** struct virtio_net_config (virtio 1.4, 5.1.4). */
const netConfig = {
  mac: [0, 1, 2, 3, 4, 5].map((at): Field => ({ at, width: 1 })),
  status: { at: 6, width: 2 },
  pairs: { at: 8, width: 2 },
  mtu: { at: 10, width: 2 },
  speed: { at: 12, width: 4 },
  duplex: { at: 16, width: 1 },
  rssKeyBytes: { at: 17, width: 1 },
  rssTableEntries: { at: 18, width: 2 },
  hashTypes: { at: 20, width: 4 },
} as const satisfies Record<string, Field | readonly Field[]>;

const STATUS_LINK_UP = 1;
const STATUS_ANNOUNCE = 2;
/** What speed and duplex say when they are not known. */
export const unknownSpeed = 0xffffffff;

/** `02:00:00:00:00:07`; null when the device has no address of its own. */
export function readMac(device: VirtioPciDevice, features: bigint): string | null {
  if ((features & VIRTIO_NET_F_MAC) === 0n) return null;
  return device
    .readConfig(netConfig.mac)
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join(':');
}

export interface LinkStatus {
  readonly up: boolean;
  /** The device asks the driver to make itself known to the network (GUEST_ANNOUNCE). */
  readonly announce: boolean;
}

/** A device that cannot say is up (5.1.4.2). */
export function readLinkStatus(device: VirtioPciDevice, features: bigint): LinkStatus {
  if ((features & VIRTIO_NET_F_STATUS) === 0n) return { up: true, announce: false };
  const [status = 0] = device.readConfig([netConfig.status]);
  return { up: (status & STATUS_LINK_UP) !== 0, announce: (status & STATUS_ANNOUNCE) !== 0 };
}

/** Queue pairs the device has. */
export function readPairs(device: VirtioPciDevice, features: bigint): number {
  if ((features & VIRTIO_NET_F_MQ) === 0n) return 1;
  return device.readConfig([netConfig.pairs])[0] ?? 1;
}

/** What receive side scaling of the device can do. */
export interface RssLimits {
  readonly keyBytes: number;
  readonly tableEntries: number;
  /** HASH_TYPE_* bits. */
  readonly hashTypes: number;
}

/** null: the device has no receive side scaling. */
export function readRss(device: VirtioPciDevice, features: bigint): RssLimits | null {
  if ((features & VIRTIO_NET_F_RSS) === 0n) return null;
  const { rssKeyBytes, rssTableEntries, hashTypes } = netConfig;
  const [key = 0, entries = 0, types = 0] = device.readConfig([rssKeyBytes, rssTableEntries, hashTypes]);
  return { keyBytes: key, tableEntries: entries, hashTypes: types };
}

/** Largest packet behind the Ethernet header; null: the device does not say. */
export function readMtu(device: VirtioPciDevice, features: bigint): number | null {
  if ((features & VIRTIO_NET_F_MTU) === 0n) return null;
  return device.readConfig([netConfig.mtu])[0] ?? null;
}

export interface LinkSpeed {
  /** Mbit/s; `unknownSpeed`: not known. */
  readonly speed: number;
  readonly duplex: 'half' | 'full' | 'unknown';
}

/** Values that no device may give count as not known (5.1.4.2). */
export function readSpeed(device: VirtioPciDevice, features: bigint): LinkSpeed {
  if ((features & VIRTIO_NET_F_SPEED_DUPLEX) === 0n) return { speed: unknownSpeed, duplex: 'unknown' };
  const [speed = unknownSpeed, duplex = 0xff] = device.readConfig([netConfig.speed, netConfig.duplex]);
  return {
    speed: speed <= 0x7fff_ffff ? speed : unknownSpeed,
    duplex: duplex === 0 ? 'half' : duplex === 1 ? 'full' : 'unknown',
  };
}
