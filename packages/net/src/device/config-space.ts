import {
  VIRTIO_NET_F_HASH_REPORT,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_RSS,
  VIRTIO_NET_F_SPEED_DUPLEX,
  VIRTIO_NET_F_STATUS,
} from '../feature-bits.ts';
import type { RssLimits } from '../rss/hash-types.ts';
import type { Duplex } from './link-speed.ts';
import { macBytes, macFromBytes, macToBytes } from '../frames/mac-address.ts';

/** What a network device says of itself in its configuration space (virtio 1.4, section 5.1.4). */
export interface ConfigSpace {
  /** As in `52:54:00:00:00:01`; undefined: it has none of its own. */
  readonly mac: string | undefined;
  /** True also of a device that does not know. */
  readonly linkUp: boolean;
  /** The driver should announce itself on the network, and acknowledge that it did (section 5.1.6.5.4). */
  readonly announce: boolean;
  /** Queue pairs it has, 1 at least. */
  readonly maxPairs: number;
  /** Bytes of the largest packet behind the Ethernet header; undefined: it does not say. */
  readonly mtu: number | undefined;
  /** Mbit/s; undefined: it does not say, or says what no device may. */
  readonly speed?: number;
  /** Undefined: it does not say. */
  readonly duplex?: Duplex;
  /** What it can do of receive-side scaling and hash reports; undefined: nothing, or it does not say. */
  readonly rss?: RssLimits;
}

/** A field of the configuration space: where it begins, in bytes, and the only width it may be read with (section 4.1.3.1). */
export interface ConfigField {
  /** Offset in the configuration space, in bytes. */
  readonly at: number;
  /** Bytes. */
  readonly width: 1 | 2 | 4;
}

/** Bytes up to the last field there is here. */
export const configSpaceBytes = 24;
/** Bytes up to and with `mtu`: what every device has that has any of it. */
export const configSpaceHead = 12;

const statusAt = macBytes;
const pairsAt = 8;
const mtuAt = 10;
const speedAt = 12;
const duplexAt = 16;
const rssAt = 17;
const LINK_UP = 1;
const ANNOUNCE = 2;
/** Speeds above are none (section 5.1.4.2). */
const mostSpeed = 0x7fff_ffff;
const duplexes: readonly Duplex[] = ['half', 'full'];

/** Fields, and the features of which one says that they are there. */
const layout: readonly { readonly features: bigint; readonly fields: readonly ConfigField[] }[] = [
  { features: VIRTIO_NET_F_MAC, fields: [0, 1, 2, 3, 4, 5].map((at) => ({ at, width: 1 })) },
  { features: VIRTIO_NET_F_STATUS, fields: [{ at: statusAt, width: 2 }] },
  { features: VIRTIO_NET_F_MQ, fields: [{ at: pairsAt, width: 2 }] },
  { features: VIRTIO_NET_F_MTU, fields: [{ at: mtuAt, width: 2 }] },
  {
    features: VIRTIO_NET_F_SPEED_DUPLEX,
    fields: [
      { at: speedAt, width: 4 },
      { at: duplexAt, width: 1 },
    ],
  },
  {
    features: VIRTIO_NET_F_RSS | VIRTIO_NET_F_HASH_REPORT,
    fields: [
      { at: rssAt, width: 1 },
      { at: rssAt + 1, width: 2 },
      { at: rssAt + 3, width: 4 },
    ],
  },
];

/** The fields that a device has which offers these features, for transports that read one after the other. */
export function configFields(features: bigint): ConfigField[] {
  return layout.flatMap((part) => ((features & part.features) === 0n ? [] : part.fields));
}

/**
 * Bytes up to the last field of a device which offers these features, for transports that read them at once: 0 when there
 * is none, `configSpaceHead` at least when there is one. More is asked for only where it is known to be there.
 */
export function configBytes(features: bigint): number {
  const last = configFields(features).at(-1);
  return last === undefined ? 0 : Math.max(configSpaceHead, last.at + last.width);
}

/** Encodes a configuration space as a device shows it (5.1.4). @returns its bytes, little-endian */
export function encodeConfigSpace(config: ConfigSpace): Uint8Array {
  const { mac, linkUp, announce, maxPairs, mtu = 0, speed = 0, duplex, rss } = config;
  const bytes = new Uint8Array(configSpaceBytes);
  const view = new DataView(bytes.buffer);
  if (mac !== undefined) bytes.set(macToBytes(mac));
  view.setUint16(statusAt, (linkUp ? LINK_UP : 0) | (announce ? ANNOUNCE : 0), true);
  view.setUint16(pairsAt, maxPairs, true);
  view.setUint16(mtuAt, mtu, true);
  view.setUint32(speedAt, speed, true);
  view.setUint8(duplexAt, duplex === 'full' ? 1 : 0);
  view.setUint8(rssAt, rss?.keyBytes ?? 0);
  view.setUint16(rssAt + 1, rss?.tableEntries ?? 0, true);
  view.setUint32(rssAt + 3, rss?.hashTypes ?? 0, true);
  return bytes;
}

/**
 * Reads what the bytes say: a field counts only with its feature, and where the bytes reach to its end.
 * @param bytes from the first one of the configuration space on
 * @param features offered by the device
 */
export function decodeConfigSpace(bytes: Uint8Array, features: bigint): ConfigSpace {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const has = (feature: bigint, end: number): boolean => (features & feature) !== 0n && bytes.length >= end;
  const u16 = (feature: bigint, at: number): number | undefined =>
    has(feature, at + 2) ? view.getUint16(at, true) : undefined;
  const status = u16(VIRTIO_NET_F_STATUS, statusAt) ?? LINK_UP;
  return {
    mac: has(VIRTIO_NET_F_MAC, macBytes) ? macFromBytes(bytes) : undefined,
    linkUp: (status & LINK_UP) !== 0,
    announce: (status & ANNOUNCE) !== 0,
    maxPairs: Math.max(1, u16(VIRTIO_NET_F_MQ, pairsAt) ?? 1),
    mtu: u16(VIRTIO_NET_F_MTU, mtuAt),
    ...(has(VIRTIO_NET_F_SPEED_DUPLEX, duplexAt + 1) ? readSpeed(view) : {}),
    ...(has(VIRTIO_NET_F_RSS | VIRTIO_NET_F_HASH_REPORT, configSpaceBytes) ? { rss: readRss(view) } : {}),
  };
}

function readSpeed(view: DataView): { speed?: number; duplex: Duplex } {
  const speed = view.getUint32(speedAt, true);
  const duplex = duplexes[view.getUint8(duplexAt)] ?? 'unknown';
  return speed <= mostSpeed ? { speed, duplex } : { duplex };
}

function readRss(view: DataView): RssLimits {
  return {
    keyBytes: view.getUint8(rssAt),
    tableEntries: view.getUint16(rssAt + 1, true),
    hashTypes: view.getUint32(rssAt + 3, true),
  };
}
