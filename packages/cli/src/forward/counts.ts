/** What a mode did since it was made, in packets. */
export interface LaneCounts {
  received: number;
  sent: number;
  dropped: number;
}

export function noCounts(): LaneCounts {
  return { received: 0, sent: 0, dropped: 0 };
}

/** Adds to `all` what `some` has. */
export function addCounts(all: LaneCounts, some: Readonly<LaneCounts>): void {
  all.received += some.received;
  all.sent += some.sent;
  all.dropped += some.dropped;
}

/** The counts of all of them. */
export function totalCounts(lanes: Iterable<{ readonly counts: Readonly<LaneCounts> }>): LaneCounts {
  const all = noCounts();
  for (const { counts } of lanes) addCounts(all, counts);
  return all;
}
