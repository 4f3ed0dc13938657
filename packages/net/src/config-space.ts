import { macBytes, macFromBytes, macToBytes } from './control/mac-bytes.ts';
import {
  VIRTIO_NET_F_HASH_REPORT,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_RSS,
  VIRTIO_NET_F_STATUS,
} from './feature-bits.ts';
import type { RssLimits } from './rss/hash-types.ts';

/** What a network device says of itself in its configuration space (virtio 1.4, section 5.1.4). */
export interface ConfigSpace {
  /** As in `52:54:00:00:00:01`; undefined: it has none of its own. */
  readonly mac: string | undefined;
  /** True also of a device that does not know. */
  readonly linkUp: boolean;
  /** The driver should announce itself on the network, and acknowledge that it did (section 5.1.6.5.4). */
  readonly announce: boolean;
  /** Queue pairs it has. */
  readonly maxPairs: number;
  /** Bytes of the largest packet behind the Ethernet header; undefined: it does not say. */
  readonly mtu: number | undefined;
  /** What it can do for receive-side scaling; undefined: nothing. */
  readonly rss?: RssLimits;
}

/** Bytes up to the last field there is here: mac, status, max_virtqueue_pairs, mtu, speed, duplex, and those of RSS. */
export const configSpaceBytes = 24;
/** Bytes up to and with `mtu`: what every device has that has any of it. */
export const configSpaceHead = 12;

const statusAt = macBytes;
const pairsAt = 8;
const mtuAt = 10;
const rssAt = 17;
const LINK_UP = 1;
const ANNOUNCE = 2;

export function encodeConfigSpace({ mac, linkUp, announce, maxPairs, mtu, rss }: ConfigSpace): Uint8Array {
  const bytes = new Uint8Array(configSpaceBytes);
  const view = new DataView(bytes.buffer);
  if (mac !== undefined) bytes.set(macToBytes(mac));
  view.setUint16(statusAt, (linkUp ? LINK_UP : 0) | (announce ? ANNOUNCE : 0), true);
  view.setUint16(pairsAt, maxPairs, true);
  view.setUint16(mtuAt, mtu ?? 0, true);
  view.setUint8(rssAt, rss?.keyBytes ?? 0);
  view.setUint16(rssAt + 1, rss?.tableEntries ?? 0, true);
  view.setUint32(rssAt + 3, rss?.hashTypes ?? 0, true);
  return bytes;
}

/**
 * Reads what the first `configSpaceHead` bytes say, and all of `configSpaceBytes` if they are there: a field counts only
 * with its feature.
 * @param features offered by the device
 */
export function decodeConfigSpace(bytes: Uint8Array, features: bigint): ConfigSpace {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const has = (bit: bigint): boolean => (features & bit) !== 0n;
  const status = has(VIRTIO_NET_F_STATUS) ? view.getUint16(statusAt, true) : LINK_UP;
  return {
    mac: has(VIRTIO_NET_F_MAC) ? macFromBytes(bytes) : undefined,
    linkUp: (status & LINK_UP) !== 0,
    announce: (status & ANNOUNCE) !== 0,
    maxPairs: has(VIRTIO_NET_F_MQ) ? view.getUint16(pairsAt, true) : 1,
    mtu: has(VIRTIO_NET_F_MTU) ? view.getUint16(mtuAt, true) : undefined,
    ...(has(VIRTIO_NET_F_RSS) || has(VIRTIO_NET_F_HASH_REPORT) ? readRss(view) : {}),
  };
}

function readRss(view: DataView): { rss?: RssLimits } {
  if (view.byteLength < configSpaceBytes) return {};
  return {
    rss: {
      keyBytes: view.getUint8(rssAt),
      tableEntries: view.getUint16(rssAt + 1, true),
      hashTypes: view.getUint32(rssAt + 3, true),
    },
  };
}
