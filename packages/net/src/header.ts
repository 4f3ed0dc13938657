import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
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

/** Byte offset of num_buffers in the header. */
export const numBuffersOffset = 10;

/**
 * Zeroes the header in front of the packet at `offset`: no checksum, no segmentation, num_buffers 0. A header that is
 * zero already, as a recycled buffer's is, is only read, so its cache line stays clean.
 */
export function clearHeader(i32: Int32Array, u8: Uint8Array, offset: number, bytes: HeaderBytes): void {
  const word = (offset - 12) >>> 2;
  if (bytes === 12 && (offset & 3) === 0) {
    if ((i32[word] | i32[word + 1] | i32[word + 2]) === 0) return;
    i32[word] = 0;
    i32[word + 1] = 0;
    i32[word + 2] = 0;
  } else {
    clearBytes(u8, offset - bytes, offset);
  }
}

function clearBytes(u8: Uint8Array, from: number, end: number): void {
  for (let at = from; at < end; at++) {
    if (u8[at] !== 0) u8[at] = 0;
  }
}
