import { ringFeatureNames } from '@vio/rings/internal';

/** Network device feature bits (virtio 1.4, section 5.1.3), as masks. */
export const VIRTIO_NET_F_CSUM = 1n << 0n;
/** The driver takes packets whose checksum is partial. */
export const VIRTIO_NET_F_GUEST_CSUM = 1n << 1n;
/** The driver can switch its receive offloads by the control queue. */
export const VIRTIO_NET_F_CTRL_GUEST_OFFLOADS = 1n << 2n;
/** The device names the largest MTU in its configuration. */
export const VIRTIO_NET_F_MTU = 1n << 3n;
/** The device names its MAC address in its configuration. */
export const VIRTIO_NET_F_MAC = 1n << 5n;
/** Legacy devices only, as GUEST_RSC4 and GUEST_RSC6 below are. */
export const VIRTIO_NET_F_GSO = 1n << 6n;
/** The driver takes TCP segments over IPv4 that were put together (needs GUEST_CSUM). */
export const VIRTIO_NET_F_GUEST_TSO4 = 1n << 7n;
/** The driver takes TCP segments over IPv6 that were put together (needs GUEST_CSUM). */
export const VIRTIO_NET_F_GUEST_TSO6 = 1n << 8n;
/** The driver takes such segments with ECN. */
export const VIRTIO_NET_F_GUEST_ECN = 1n << 9n;
/** The driver takes UDP datagrams that are to be fragmented. */
export const VIRTIO_NET_F_GUEST_UFO = 1n << 10n;
/** The device cuts TCP over IPv4 into segments (needs CSUM). */
export const VIRTIO_NET_F_HOST_TSO4 = 1n << 11n;
/** The device cuts TCP over IPv6 into segments (needs CSUM). */
export const VIRTIO_NET_F_HOST_TSO6 = 1n << 12n;
/** The device cuts TCP with ECN into segments. */
export const VIRTIO_NET_F_HOST_ECN = 1n << 13n;
/** The device fragments UDP datagrams. */
export const VIRTIO_NET_F_HOST_UFO = 1n << 14n;
/** A received packet may be spread over several receive buffers. */
export const VIRTIO_NET_F_MRG_RXBUF = 1n << 15n;
/** The configuration has the link state. */
export const VIRTIO_NET_F_STATUS = 1n << 16n;
/** The device has a control queue. */
export const VIRTIO_NET_F_CTRL_VQ = 1n << 17n;
/** The control queue switches promiscuous mode and all-multicast. */
export const VIRTIO_NET_F_CTRL_RX = 1n << 18n;
/** The control queue takes VLAN filters. */
export const VIRTIO_NET_F_CTRL_VLAN = 1n << 19n;
/** The control queue switches further receive modes. */
export const VIRTIO_NET_F_CTRL_RX_EXTRA = 1n << 20n;
/** The device can ask the driver to announce itself on the network. */
export const VIRTIO_NET_F_GUEST_ANNOUNCE = 1n << 21n;
/** The device has several queue pairs. */
export const VIRTIO_NET_F_MQ = 1n << 22n;
/** The control queue sets the MAC address. */
export const VIRTIO_NET_F_CTRL_MAC_ADDR = 1n << 23n;
/** Legacy: the driver takes IPv4 packets that were coalesced. */
export const VIRTIO_NET_F_GUEST_RSC4 = 1n << 41n;
/** Legacy: the driver takes IPv6 packets that were coalesced. */
export const VIRTIO_NET_F_GUEST_RSC6 = 1n << 42n;
/** The control queue gives the device's statistics. */
export const VIRTIO_NET_F_DEVICE_STATS = 1n << 50n;
/** The device hashes the inner headers of tunnels. */
export const VIRTIO_NET_F_HASH_TUNNEL = 1n << 51n;
/** The control queue sets interrupt coalescing for each virtqueue. */
export const VIRTIO_NET_F_VQ_NOTF_COAL = 1n << 52n;
/** The control queue sets interrupt coalescing. */
export const VIRTIO_NET_F_NOTF_COAL = 1n << 53n;
/** The driver takes UDP segments over IPv4 that were put together (needs GUEST_CSUM). */
export const VIRTIO_NET_F_GUEST_USO4 = 1n << 54n;
/** The driver takes UDP segments over IPv6 that were put together (needs GUEST_CSUM). */
export const VIRTIO_NET_F_GUEST_USO6 = 1n << 55n;
/** The device cuts UDP into segments (needs CSUM). */
export const VIRTIO_NET_F_HOST_USO = 1n << 56n;
/** The device reports the hash of each received packet in its header. */
export const VIRTIO_NET_F_HASH_REPORT = 1n << 57n;
/** The driver gives the exact length of the headers of a packet that is to be cut. */
export const VIRTIO_NET_F_GUEST_HDRLEN = 1n << 59n;
/** The device spreads received packets over the queues by their hash. */
export const VIRTIO_NET_F_RSS = 1n << 60n;
/** The device reports how many segments and duplicate ACKs it coalesced. */
export const VIRTIO_NET_F_RSC_EXT = 1n << 61n;
/** The device stands in for a primary one with the same MAC address. */
export const VIRTIO_NET_F_STANDBY = 1n << 62n;
/** The configuration has the link's speed and duplex. */
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
