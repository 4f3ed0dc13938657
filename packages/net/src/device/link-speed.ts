/** Link speeds in Mbit/s that a port can be told to report, as DPDK's `speed` devarg. */
export const linkSpeeds = [10000, 20000, 25000, 40000, 50000, 56000, 100000, 200000, 400000, 800000] as const;

/** The speed of a link whose speed is not known (virtio 1.4, section 5.1.4). */
export const unknownSpeed = 0xffffffff;

/** Whether a link carries frames in both directions at once. */
export type Duplex = 'half' | 'full' | 'unknown';
