import { VioError } from '@vio/native';
import { type OptionNames, checkOptions } from '@vio/native/internal';
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_GUEST_UFO,
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_GUEST_USO6,
  VIRTIO_NET_F_HOST_ECN,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_HOST_UFO,
  VIRTIO_NET_F_HOST_USO,
  VIRTIO_NET_F_HASH_REPORT,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_RSS,
  featureNames,
} from '../feature-bits.ts';
import type { PathInput } from '../paths.ts';

/** Work a port leaves to its device, or takes from it. Nothing unless it is asked for. */
export interface OffloadOptions {
  /** Packets may arrive with a checksum that is not complete (GUEST_CSUM). */
  readonly rxChecksum?: boolean;
  /** TCP segments may arrive put together, up to 65 550 bytes (GUEST_TSO4, GUEST_TSO6). Includes rxChecksum. */
  readonly lro?: boolean;
  /** Packets may leave with a checksum that is not complete (CSUM). */
  readonly txChecksum?: boolean;
  /** TCP packets larger than the MTU may leave, the device cuts them (HOST_TSO4, HOST_TSO6). Includes txChecksum. */
  readonly tso?: boolean;
  /** UDP datagrams may arrive put together (GUEST_USO4, GUEST_USO6). Includes rxChecksum. */
  readonly uro?: boolean;
  /** UDP packets larger than the MTU may leave, the device makes datagrams of them (HOST_USO). Includes txChecksum. */
  readonly uso?: boolean;
  /** With lro and tso: also of TCP segments with the ECN bit CWR (GUEST_ECN, HOST_ECN). */
  readonly ecn?: boolean;
  /** Received packets come with a hash, once `NetPort.control` has said of what (HASH_REPORT). */
  readonly hashReport?: boolean;
  /** The receive queue can follow from a hash of the packet, once `NetPort.control.setRss` says how (RSS). */
  readonly rss?: boolean;
}

const optionNames: OptionNames<OffloadOptions> = {
  rxChecksum: true,
  lro: true,
  txChecksum: true,
  tso: true,
  uro: true,
  uso: true,
  ecn: true,
  hashReport: true,
  rss: true,
};

/** Refuses an offload that there is not. @throws VioError VIO_OPTION_UNKNOWN */
export function checkOffloadNames(options: OffloadOptions | undefined): void {
  checkOptions('offloads', options, optionNames);
}

/** Offloads that are set up by the control queue. */
export const controlledOffloads = VIRTIO_NET_F_RSS | VIRTIO_NET_F_HASH_REPORT;

const lroBits = VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6;
const uroBits = VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6;
const tsoBits = VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6;
const rxBits = VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_ECN | VIRTIO_NET_F_GUEST_UFO | lroBits | uroBits;
const txBits =
  VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_ECN | VIRTIO_NET_F_HOST_UFO | tsoBits | VIRTIO_NET_F_HOST_USO;

/** Checksums and segmentation that a device and its driver may leave to each other, in both directions. */
export const offloadFeatureBits = rxBits | txBits;

/** Segmentation alone. */
export const segmentationFeatureBits = offloadFeatureBits & ~(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM);

/** Feature bits the options ask for (virtio 1.4, 5.1.3 and 5.1.3.1). @throws VioError VIO_OPTION_UNKNOWN */
export function offloadFeatures(options: OffloadOptions): bigint {
  checkOffloadNames(options);
  const { rxChecksum, lro, uro, txChecksum, tso, uso, ecn, hashReport, rss } = options;
  let features = 0n;
  if (rxChecksum === true || lro === true || uro === true) features |= VIRTIO_NET_F_GUEST_CSUM;
  if (lro === true) features |= lroBits | (ecn === true ? VIRTIO_NET_F_GUEST_ECN : 0n);
  if (uro === true) features |= uroBits;
  if (txChecksum === true || tso === true || uso === true) features |= VIRTIO_NET_F_CSUM;
  if (tso === true) features |= tsoBits | (ecn === true ? VIRTIO_NET_F_HOST_ECN : 0n);
  if (uso === true) features |= VIRTIO_NET_F_HOST_USO;
  if (hashReport === true) features |= VIRTIO_NET_F_HASH_REPORT;
  if (rss === true) features |= VIRTIO_NET_F_RSS;
  return features;
}

/** @throws VioError VIO_OFFLOAD_UNAVAILABLE when not all that was asked for was negotiated, or buffers are too small */
export function checkOffloads(options: OffloadOptions, features: bigint): void {
  const missing = offloadFeatures(options) & ~features;
  if (missing !== 0n) {
    throw new VioError(`the backend does not offer ${featureNames(missing).join(', ')}`, {
      code: 'VIO_OFFLOAD_UNAVAILABLE',
      remedy: 'ask for fewer offloads, or use a backend that has them',
    });
  }
  const putTogether = options.lro === true ? 'lro' : options.uro === true ? 'uro' : undefined;
  if (putTogether !== undefined && (features & VIRTIO_NET_F_MRG_RXBUF) === 0n) {
    throw new VioError(`${putTogether} needs mergeable receive buffers: 64 KiB do not fit one buffer`, {
      code: 'VIO_OFFLOAD_UNAVAILABLE',
      remedy: 'use mrg_rxbuf=1 with a backend that offers it',
    });
  }
}

/** What the election of the paths has to know of a port's options. */
export function pathOffloads(
  options: OffloadOptions,
  {
    vlanStrip = false,
    vlanInsert = false,
  }: { readonly vlanStrip?: boolean | undefined; readonly vlanInsert?: boolean | undefined } = {},
): NonNullable<PathInput['offloads']> {
  const { rxChecksum = false, lro = false, uro = false, hashReport = false } = options;
  const transmit = hasTxOffloads(offloadFeatures(options));
  return { lro: lro || uro, checksum: rxChecksum, hash: hashReport, vlanStrip, vlanInsert, transmit };
}

/** True when received headers can say something. */
export const hasRxOffloads = (features: bigint): boolean => (features & rxBits) !== 0n;
/** True when sent headers may say something. */
export const hasTxOffloads = (features: bigint): boolean => (features & txBits) !== 0n;
