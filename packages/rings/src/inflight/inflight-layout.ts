import { VioError } from '@vio/native';
import type { RingFormat } from '../format.ts';

/**
 * Where things are in the part of an inflight buffer that belongs to one virtqueue (vhost-user, "Inflight I/O
 * tracking"), in bytes. In both formats `features` (u64) comes first, then `version` (u16) and `desc_num` (u16).
 */
export const version = 8;
export const descNum = 10;
/** The only version there is; 0 says that nothing has been written yet. */
export const currentVersion = 1;

/** `QueueRegionSplit`, and the fields of a `DescStateSplit` from its start. */
export const splitRegion = { lastBatchHead: 12, usedIdx: 14, head: 16 } as const;
export const splitState = { inflight: 0, next: 6, counter: 8, bytes: 16 } as const;

/** `QueueRegionPacked`, and the fields of a `DescStatePacked` from its start. */
export const packedRegion = {
  freeHead: 12,
  oldFreeHead: 14,
  usedIdx: 16,
  oldUsedIdx: 18,
  usedWrap: 20,
  oldUsedWrap: 21,
  head: 32,
} as const;
export const packedState = {
  inflight: 0,
  next: 2,
  last: 4,
  num: 6,
  counter: 8,
  id: 16,
  flags: 18,
  length: 20,
  address: 24,
  bytes: 32,
} as const;

/** Bytes of the part of one virtqueue of `size` descriptors: whole cache lines, as in DPDK's lib/vhost. */
export function inflightBytes(format: RingFormat, size: number): number {
  const bytes =
    format === 'split'
      ? splitRegion.head + splitState.bytes * size
      : packedRegion.head + packedState.bytes * size;
  return (bytes + 63) & ~63;
}

/** The part of one virtqueue, seen in all the ways it is read and written. */
export class QueueRegion {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly f64: Float64Array;

  /** @param offset bytes, a multiple of 8 */
  constructor(buffer: ArrayBuffer, offset: number, format: RingFormat, size: number) {
    const bytes = inflightBytes(format, size);
    this.u8 = new Uint8Array(buffer, offset, bytes);
    this.u16 = new Uint16Array(buffer, offset, bytes / 2);
    this.i32 = new Int32Array(buffer, offset, bytes / 4);
    this.f64 = new Float64Array(buffer, offset, bytes / 8);
  }

  /** A counter of 64 bits, exact below 2^53. */
  counter(at: number): number {
    return (this.i32[at / 4 + 1] >>> 0) * 2 ** 32 + (this.i32[at / 4] >>> 0);
  }
}

/** What is noted down cannot have been noted down by a device: nothing of it is used. */
export function inflightError(detail: string): VioError {
  return new VioError(`the inflight buffer makes no sense: ${detail}`, {
    code: 'VIO_RING_INFLIGHT',
    remedy: 'hand back the buffer that came from the backend, unchanged, or get a fresh one with fresh rings',
  });
}
