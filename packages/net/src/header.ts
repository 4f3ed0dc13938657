import { VIRTIO_F_ANY_LAYOUT, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { VIRTIO_NET_F_HASH_REPORT, VIRTIO_NET_F_MRG_RXBUF } from './feature-bits.ts';

/**
 * struct virtio_net_hdr (virtio 1.4, section 5.1.9): flags u8, gso_type u8, hdr_len u16, gso_size u16,
 * csum_start u16, csum_offset u16, then num_buffers u16 from 12 bytes on, then the hash fields to 20.
 */
export type HeaderBytes = 10 | 12 | 20;

/** Bytes of the header in front of every packet, as the negotiated features say. */
export function headerSize(features: bigint): HeaderBytes {
  if ((features & VIRTIO_NET_F_HASH_REPORT) !== 0n) return 20;
  const twelve = VIRTIO_NET_F_MRG_RXBUF | VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED;
  return (features & twelve) === 0n ? 10 : 12;
}

/** @returns true where a sent header takes a descriptor of its own: legacy framing, without ANY_LAYOUT */
export function hasSeparateHeader(features: bigint): boolean {
  return (features & (VIRTIO_F_VERSION_1 | VIRTIO_F_ANY_LAYOUT)) === 0n;
}

/** Byte offset of hash_value in a header of 20 bytes; hash_report, of two bytes, follows. */
export const hashOffset = 12;

/** Byte offset of num_buffers in the header. */
export const numBuffersOffset = 10;
