/** What a switch counts of each port. `rx` is what came in by it. Bytes are those of frames with their tags, without CRC. */
export const portCounterNames = [
  'rx_frames',
  'rx_bytes',
  'tx_frames',
  'tx_bytes',
  'flooded_frames',
  'mirrored_frames',
  'filtered_frames',
  'dropped_runt_frames',
  'dropped_oversize_frames',
  'dropped_vlan_frames',
  'dropped_storm_frames',
  'dropped_reserved_frames',
  'dropped_full_frames',
  'dropped_down_frames',
  'unlearned_frames',
] as const;

/** One of them. */
export type PortCounterName = (typeof portCounterNames)[number];

export const rxFrames = 0;
export const rxBytes = 1;
export const txFrames = 2;
export const txBytes = 3;
export const floodedFrames = 4;
export const mirroredFrames = 5;
/** For the port they came from, or to a port that does not have their VLAN. */
export const filteredFrames = 6;
export const droppedRunt = 7;
export const droppedOversize = 8;
export const droppedVlan = 9;
export const droppedStorm = 10;
/** To the addresses that no bridge forwards (802.1Q, table 8-1). */
export const droppedReserved = 11;
/** The other side had no buffer for them. */
export const droppedFull = 12;
/** Nobody is connected. */
export const droppedDown = 13;
/** Whose source was not learned: the port has its share of addresses, or another thread changed what is beside it. */
export const unlearnedFrames = 14;

/** @param counters of one port, in the order of the names */
export function counterRecord(counters: Float64Array): Record<PortCounterName, number> {
  return Object.fromEntries(portCounterNames.map((name, i) => [name, counters[i]])) as Record<
    PortCounterName,
    number
  >;
}
