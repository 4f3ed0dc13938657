// What a block device looks like (virtio 1.4, section 5.2): numbers, and the configuration space.

export const VIRTIO_ID_BLOCK = 2;

export const VIRTIO_BLK_F_SIZE_MAX = 1n << 1n;
export const VIRTIO_BLK_F_SEG_MAX = 1n << 2n;
export const VIRTIO_BLK_F_RO = 1n << 5n;
export const VIRTIO_BLK_F_BLK_SIZE = 1n << 6n;
export const VIRTIO_BLK_F_FLUSH = 1n << 9n;
export const VIRTIO_BLK_F_MQ = 1n << 12n;
export const VIRTIO_BLK_F_DISCARD = 1n << 13n;
export const VIRTIO_BLK_F_WRITE_ZEROES = 1n << 14n;

/** What a request asks for. */
export const VIRTIO_BLK_T_IN = 0;
export const VIRTIO_BLK_T_OUT = 1;
export const VIRTIO_BLK_T_FLUSH = 4;
export const VIRTIO_BLK_T_GET_ID = 8;
export const VIRTIO_BLK_T_DISCARD = 11;
export const VIRTIO_BLK_T_WRITE_ZEROES = 13;

/** What became of it. */
export const VIRTIO_BLK_S_OK = 0;
export const VIRTIO_BLK_S_IOERR = 1;
export const VIRTIO_BLK_S_UNSUPP = 2;

/** Of a range to be zeroed: its room may be given back. */
export const WRITE_ZEROES_FLAG_UNMAP = 1;

export const sectorBytes = 512;
/** Type, priority and sector, in front of every request. */
export const headerBytes = 16;
/** Sector, count and flags of a range to be discarded or zeroed. */
export const rangeBytes = 16;
export const idBytes = 20;
/** Ranges of one request. */
export const maxRanges = 16;
/** Sectors of one range: what is not deallocated is written, and should not take for ever. */
export const maxRangeSectors = 0x8000;

/** Pieces that one request may have besides its header and its status, and bytes of a piece. */
export const maxSegments = 126;
export const maxSegmentBytes = 1 << 17;
/** Bytes of one request that follow from those: who sends more has not looked at them, or wants to keep the disk busy. */
export const maxRequestBytes = maxSegments * maxSegmentBytes;

const configBytes = 60;

/** The configuration space. */
export function encodeBlkConfig(sectors: number, queues: number): Uint8Array {
  const bytes = new Uint8Array(configBytes);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(sectors), true);
  view.setUint32(8, maxSegmentBytes, true);
  view.setUint32(12, maxSegments, true);
  view.setUint32(20, sectorBytes, true);
  view.setUint16(34, queues, true);
  view.setUint32(36, maxRangeSectors, true);
  view.setUint32(40, maxRanges, true);
  view.setUint32(44, 1, true);
  view.setUint32(48, maxRangeSectors, true);
  view.setUint32(52, maxRanges, true);
  view.setUint8(56, 1);
  return bytes;
}
