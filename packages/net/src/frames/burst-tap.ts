import type { BufferPool } from '@vio/rings';
import type { PacketBurst } from '../packet-burst.ts';

/** Somebody who looks at the packets of a queue as they pass, and changes nothing. */
export interface BurstTap {
  /** Packets `from` to `end - 1` of the burst, whose data is in `pool`. They are gone after the call. */
  see(pool: BufferPool, burst: PacketBurst, from: number, end: number): void;
}

/** Shows packets to everybody in turn. */
export function showTo(
  taps: Iterable<BurstTap>,
  pool: BufferPool,
  burst: PacketBurst,
  from: number,
  end: number,
): void {
  if (end > from) for (const tap of taps) tap.see(pool, burst, from, end);
}
