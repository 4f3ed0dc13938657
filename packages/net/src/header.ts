import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1, type Region } from '@vio/rings';
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
 * Zeroes the headers in front of packets `from` to `end - 1`: no checksum, no segmentation, num_buffers 0. A header
 * that is zero already, as a recycled buffer's is, is only read, so its cache line stays clean.
 */
export function clearHeaders(
  region: Region,
  offset: Int32Array,
  from: number,
  end: number,
  bytes: HeaderBytes,
): void {
  if (bytes === 12) clearWords(region.i32, region.u8, offset, from, end);
  else clearBytes(region.u8, offset, from, end, bytes);
}

function clearWords(i32: Int32Array, u8: Uint8Array, offset: Int32Array, from: number, end: number): void {
  for (let i = from; i < end; i++) {
    const at = offset[i] - 12;
    if ((at & 3) !== 0) {
      clearBytes(u8, offset, i, i + 1, 12);
      continue;
    }
    const word = at >>> 2;
    if ((i32[word] | i32[word + 1] | i32[word + 2]) !== 0) {
      i32[word] = 0;
      i32[word + 1] = 0;
      i32[word + 2] = 0;
    }
  }
}

function clearBytes(u8: Uint8Array, offset: Int32Array, from: number, end: number, bytes: number): void {
  for (let i = from; i < end; i++) {
    for (let at = offset[i] - bytes; at < offset[i]; at++) {
      if (u8[at] !== 0) u8[at] = 0;
    }
  }
}
