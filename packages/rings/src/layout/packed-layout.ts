import { descriptorBytes } from './descriptor.ts';

/** Largest packed ring (virtio 1.4, 2.8: a queue size is at most 2^15). */
export const maxPackedSize = 32768;

/** flags of an event suppression structure (virtio 1.4, 2.8.14). */
export const RING_EVENT_ENABLE = 0;
export const RING_EVENT_DISABLE = 1;
export const RING_EVENT_DESC = 2;

/**
 * x86 keeps loads in order, so one acquire load at the start of a burst is enough there, and plain ones after it. Elsewhere (arm64) every
 * descriptor that the other side has made needs a load of its own with acquire (ldar): a packed ring has no index whose load would
 * cover the burst, and the core may have fetched an old address and then see the new flags.
 */
export const weaklyOrdered = process.arch !== 'x64' && process.arch !== 'ia32';

/** Byte offsets of the parts of a packed virtqueue from its start. */
export interface PackedLayout {
  readonly descriptors: number;
  /** Driver event suppression: desc u16 (offset 0..14, wrap 15), flags u16. Written by the driver. */
  readonly driverEvent: number;
  /** Device event suppression, the same, written by the device. */
  readonly deviceEvent: number;
  /** Bytes of all three parts. */
  readonly bytes: number;
}

/**
 * The event structures get cache lines of their own: each is written by one side and read by the other.
 * @param size descriptors, 1 to 32768
 */
export function packedLayout(size: number): PackedLayout {
  const driverEvent = (size * descriptorBytes + 63) & ~63;
  const deviceEvent = driverEvent + 64;
  return { descriptors: 0, driverEvent, deviceEvent, bytes: deviceEvent + 64 };
}
