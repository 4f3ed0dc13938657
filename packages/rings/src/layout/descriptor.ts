/** A descriptor is 16 bytes in both formats: u64 address, u32 length, then two u16 (virtio 1.4, 2.7.5 and 2.8.13). */
export const descriptorBytes = 16;
/** 32-bit words of a descriptor: address low, address high, length, and the two u16. */
export const descriptorWords = 4;

/** Flags of a descriptor. */
export const DESC_F_NEXT = 1;
export const DESC_F_WRITE = 2;
export const DESC_F_INDIRECT = 4;
/** Packed only: compared with the wrap counters. */
export const DESC_F_AVAIL = 1 << 7;
export const DESC_F_USED = 1 << 15;
