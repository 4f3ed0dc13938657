import { ringFeatureNames } from '@vio/rings';

/** Network device feature bits (virtio 1.4, section 5.1.3), as masks. */
export const VIRTIO_NET_F_CSUM = 1n << 0n;
export const VIRTIO_NET_F_GUEST_CSUM = 1n << 1n;
export const VIRTIO_NET_F_CTRL_GUEST_OFFLOADS = 1n << 2n;
export const VIRTIO_NET_F_MTU = 1n << 3n;
export const VIRTIO_NET_F_MAC = 1n << 5n;
/** Legacy devices only, as GUEST_RSC4 and GUEST_RSC6 below are. */
export const VIRTIO_NET_F_GSO = 1n << 6n;
export const VIRTIO_NET_F_GUEST_TSO4 = 1n << 7n;
export const VIRTIO_NET_F_GUEST_TSO6 = 1n << 8n;
export const VIRTIO_NET_F_GUEST_ECN = 1n << 9n;
export const VIRTIO_NET_F_GUEST_UFO = 1n << 10n;
export const VIRTIO_NET_F_HOST_TSO4 = 1n << 11n;
export const VIRTIO_NET_F_HOST_TSO6 = 1n << 12n;
export const VIRTIO_NET_F_HOST_ECN = 1n << 13n;
export const VIRTIO_NET_F_HOST_UFO = 1n << 14n;
export const VIRTIO_NET_F_MRG_RXBUF = 1n << 15n;
export const VIRTIO_NET_F_STATUS = 1n << 16n;
export const VIRTIO_NET_F_CTRL_VQ = 1n << 17n;
export const VIRTIO_NET_F_CTRL_RX = 1n << 18n;
export const VIRTIO_NET_F_CTRL_VLAN = 1n << 19n;
export const VIRTIO_NET_F_CTRL_RX_EXTRA = 1n << 20n;
export const VIRTIO_NET_F_GUEST_ANNOUNCE = 1n << 21n;
export const VIRTIO_NET_F_MQ = 1n << 22n;
export const VIRTIO_NET_F_CTRL_MAC_ADDR = 1n << 23n;
export const VIRTIO_NET_F_GUEST_RSC4 = 1n << 41n;
export const VIRTIO_NET_F_GUEST_RSC6 = 1n << 42n;
export const VIRTIO_NET_F_DEVICE_STATS = 1n << 50n;
export const VIRTIO_NET_F_HASH_TUNNEL = 1n << 51n;
export const VIRTIO_NET_F_VQ_NOTF_COAL = 1n << 52n;
export const VIRTIO_NET_F_NOTF_COAL = 1n << 53n;
export const VIRTIO_NET_F_GUEST_USO4 = 1n << 54n;
export const VIRTIO_NET_F_GUEST_USO6 = 1n << 55n;
export const VIRTIO_NET_F_HOST_USO = 1n << 56n;
export const VIRTIO_NET_F_HASH_REPORT = 1n << 57n;
export const VIRTIO_NET_F_GUEST_HDRLEN = 1n << 59n;
export const VIRTIO_NET_F_RSS = 1n << 60n;
export const VIRTIO_NET_F_RSC_EXT = 1n << 61n;
export const VIRTIO_NET_F_STANDBY = 1n << 62n;
export const VIRTIO_NET_F_SPEED_DUPLEX = 1n << 63n;

/** VHOST_F_LOG_ALL and VHOST_USER_F_PROTOCOL_FEATURES: no device features, but they travel in the same mask. */
const logAllBit = 26;
const protocolFeaturesBit = 30;

const names: Readonly<Record<number, string>> = {
  ...ringFeatureNames,
  0: 'CSUM',
  1: 'GUEST_CSUM',
  2: 'CTRL_GUEST_OFFLOADS',
  3: 'MTU',
  5: 'MAC',
  6: 'GSO',
  7: 'GUEST_TSO4',
  8: 'GUEST_TSO6',
  9: 'GUEST_ECN',
  10: 'GUEST_UFO',
  11: 'HOST_TSO4',
  12: 'HOST_TSO6',
  13: 'HOST_ECN',
  14: 'HOST_UFO',
  15: 'MRG_RXBUF',
  16: 'STATUS',
  17: 'CTRL_VQ',
  18: 'CTRL_RX',
  19: 'CTRL_VLAN',
  20: 'CTRL_RX_EXTRA',
  21: 'GUEST_ANNOUNCE',
  22: 'MQ',
  23: 'CTRL_MAC_ADDR',
  [logAllBit]: 'LOG_ALL',
  [protocolFeaturesBit]: 'PROTOCOL_FEATURES',
  41: 'GUEST_RSC4',
  42: 'GUEST_RSC6',
  50: 'DEVICE_STATS',
  51: 'HASH_TUNNEL',
  52: 'VQ_NOTF_COAL',
  53: 'NOTF_COAL',
  54: 'GUEST_USO4',
  55: 'GUEST_USO6',
  56: 'HOST_USO',
  57: 'HASH_REPORT',
  59: 'GUEST_HDRLEN',
  60: 'RSS',
  61: 'RSC_EXT',
  62: 'STANDBY',
  63: 'SPEED_DUPLEX',
};

/** The names of the bits of a feature mask, lowest first; a bit without a name is `BIT_<n>`. */
export function featureNames(mask: bigint): string[] {
  const found: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if (((mask >> BigInt(bit)) & 1n) === 1n) found.push(names[bit] ?? `BIT_${bit}`);
  }
  return found;
}
