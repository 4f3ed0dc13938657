import type { Burst } from '@vio/rings';

/** Names of DPDK's per-queue xstats, in its order (without the `rx_q0_` in front). */
export const queueCounterNames = [
  'good_packets',
  'good_bytes',
  'errors',
  'multicast_packets',
  'broadcast_packets',
  'undersize_packets',
  'size_64_packets',
  'size_65_127_packets',
  'size_128_255_packets',
  'size_256_511_packets',
  'size_512_1023_packets',
  'size_1024_1518_packets',
  'size_1519_max_packets',
] as const;

export type QueueCounterName = (typeof queueCounterNames)[number];

const goodPackets = 0;
const goodBytes = 1;
const errors = 2;
const multicast = 3;
const broadcast = 4;
const undersize = 5;
const size1024 = 11;
const size1519 = 12;

/** Counters of one queue. Sizes are frame bytes without CRC, as DPDK counts them. */
export class QueueStats {
  /** One number per name of `queueCounterNames`; exact to 2^53. */
  readonly counters = new Float64Array(queueCounterNames.length);

  /** Counts packets `from` to `end - 1` of a burst: number, bytes, size class, and where they are addressed to. */
  countBurst(u8: Uint8Array, burst: Burst, from: number, end: number): void {
    const counters = this.counters;
    const { offset, length } = burst;
    let bytes = 0;
    for (let i = from; i < end; i++) {
      const size = length[i];
      bytes += size;
      if (size < 64) counters[undersize]++;
      // 64 has a class of its own; 65 to 1023 go by the position of the highest bit.
      else if (size === 64) counters[undersize + 1]++;
      else if (size < 1024) counters[undersize + 27 - Math.clz32(size)]++;
      else counters[size < 1519 ? size1024 : size1519]++;
      const at = offset[i];
      if ((u8[at] & 1) !== 0) counters[isBroadcast(u8, at) ? broadcast : multicast]++;
    }
    counters[goodPackets] += end - from;
    counters[goodBytes] += bytes;
  }

  /** Counts packets that were dropped because they were malformed. */
  countErrors(packets: number): void {
    this.counters[errors] += packets;
  }

  get(name: QueueCounterName): number {
    return this.counters[queueCounterNames.indexOf(name)];
  }

  /** All counters as `<prefix><name>`. */
  toRecord(prefix: string): Record<string, number> {
    return Object.fromEntries(queueCounterNames.map((name, i) => [prefix + name, this.counters[i]]));
  }
}

function isBroadcast(u8: Uint8Array, at: number): boolean {
  return (u8[at] & u8[at + 1] & u8[at + 2] & u8[at + 3] & u8[at + 4] & u8[at + 5]) === 0xff;
}
