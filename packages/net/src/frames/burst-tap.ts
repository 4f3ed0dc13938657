import type { PacketBurst } from '../packet-burst.ts';

/** Somebody who looks at the packets of a queue as they pass, and changes nothing. */
export interface BurstTap {
  /** Packets `from` to `end - 1` of the burst, in its pool. They are gone after the call. */
  see(burst: PacketBurst, from: number, end: number): void;
}

/** Shows packets to everybody in turn. */
export function showTo(taps: Iterable<BurstTap>, burst: PacketBurst, from: number, end: number): void {
  if (end > from) for (const tap of taps) tap.see(burst, from, end);
}
