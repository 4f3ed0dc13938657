import { VIRTIO_NET_F_MAC, VIRTIO_NET_F_MQ, VIRTIO_NET_F_MTU, VIRTIO_NET_F_STATUS } from '@vio/net';
import type { NetDeviceConfig } from '@vio/vhost';

/** Bytes of the configuration that are read: mac, status, max_virtqueue_pairs, mtu (virtio 1.4, section 5.1.4). */
export const netConfigBytes = 12;

const statusAt = 6;
const pairsAt = 8;
const mtuAt = 10;
const VIRTIO_NET_S_LINK_UP = 1;

/** Reads what the features say is there; a field that the device's configuration is too short for is not. */
export function decodeNetConfig(bytes: Uint8Array, features: bigint): NetDeviceConfig {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const field = (feature: bigint, at: number): number | undefined =>
    (features & feature) !== 0n && bytes.length >= at + 2 ? view.getUint16(at, true) : undefined;
  const hasMac = (features & VIRTIO_NET_F_MAC) !== 0n && bytes.length >= 6;
  return {
    mac: hasMac ? Array.from(bytes.subarray(0, 6), hex).join(':') : undefined,
    linkUp: ((field(VIRTIO_NET_F_STATUS, statusAt) ?? VIRTIO_NET_S_LINK_UP) & VIRTIO_NET_S_LINK_UP) !== 0,
    maxPairs: Math.max(1, field(VIRTIO_NET_F_MQ, pairsAt) ?? 1),
    mtu: field(VIRTIO_NET_F_MTU, mtuAt),
  };
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
