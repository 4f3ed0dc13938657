import { descriptorBytes } from './descriptor.ts';

/** avail.flags: the driver wants no interrupts (a hint). */
export const AVAIL_F_NO_INTERRUPT = 1;
/** used.flags: the device wants no kicks (a hint). */
export const USED_F_NO_NOTIFY = 1;

/** Largest split ring (virtio 1.4, 2.7). */
export const maxSplitSize = 32768;

/** Byte offsets of the parts of a split virtqueue from its start (virtio 1.4, 2.7 and 2.7.2). */
export interface SplitLayout {
  readonly descriptors: number;
  /** flags u16, idx u16, ring u16[size], used_event u16 */
  readonly avail: number;
  /** flags u16, idx u16, ring {id u32, len u32}[size], avail_event u16 */
  readonly used: number;
  /** Bytes of all three parts. */
  readonly bytes: number;
}

/**
 * The classic placement, which legacy devices require: descriptors, avail, and used on the next multiple of `align`.
 * @param size descriptors, a power of two
 * @param align bytes, a power of two, at least 4
 */
export function splitLayout(size: number, align = 4096): SplitLayout {
  const avail = size * descriptorBytes;
  const used = (avail + 6 + 2 * size + align - 1) & ~(align - 1);
  return { descriptors: 0, avail, used, bytes: used + 6 + 8 * size };
}
