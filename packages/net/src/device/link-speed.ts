/** Link speeds in Mbit/s that a port can be told to report, as DPDK's `speed` devarg. */
export const linkSpeeds = [10000, 20000, 25000, 40000, 50000, 56000, 100000, 200000, 400000, 800000] as const;

/** What DPDK's devarg says where no speed is to be reported. */
const unknownSpeed = 0xffff_ffff;

const speedDevargs: ReadonlySet<number> = new Set([...linkSpeeds, unknownSpeed]);

/** Whether the devarg `speed` may have this value. */
export function isSpeedDevarg(value: number): boolean {
  return speedDevargs.has(value);
}

/** @param value of the devarg `speed` @returns Mbit/s; undefined: what the device says is reported */
export function speedToReport(value: number | undefined): number | undefined {
  return value === unknownSpeed ? undefined : value;
}

/** Whether a link carries frames in both directions at once. */
export type Duplex = 'half' | 'full' | 'unknown';
