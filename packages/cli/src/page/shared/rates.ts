import type { Look } from './messages.ts';

/** What a port did from one look to the next, per second. */
export interface PortRates {
  /** Packets and bits of frames that it received and sent. */
  readonly rx: Flow;
  readonly tx: Flow;
  /** Packets moved at a time; undefined: nobody counts that, or none moved. */
  readonly batch: number | undefined;
  /** Notifications of the other side that it sent, and got. */
  readonly kicks: number;
  readonly calls: number;
  readonly drops: number;
  /** Packets that were dropped or lost since the port began. */
  readonly dropped: number;
  /** Every counter. */
  readonly counters: ReadonlyMap<string, number>;
}

export interface Flow {
  readonly pps: number;
  readonly bps: number;
}

/** @returns undefined when both looks are not at one port, or at one moment */
export function ratesBetween(before: Look | undefined, now: Look): PortRates | undefined {
  const seconds = (now.clock - (before?.clock ?? now.clock)) / 1000;
  const old = before?.port;
  const { port } = now;
  if (port === undefined || old === undefined || port.id !== old.id || seconds <= 0) return undefined;
  const counters = new Map<string, number>();
  // Counters that were set back begin at 0 again.
  for (const [name, value] of Object.entries(port.stats)) {
    const grown = value - (old.stats[name] ?? 0);
    counters.set(name, (grown < 0 ? value : grown) / seconds);
  }
  const sum = (pattern: RegExp): number => {
    let total = 0;
    for (const [name, rate] of counters) if (pattern.test(name)) total += rate;
    return total;
  };
  const flow = (direction: 'rx' | 'tx'): Flow => ({
    pps: sum(new RegExp(`^${direction}_q\\d+_good_packets$`)),
    bps: 8 * sum(new RegExp(`^${direction}_q\\d+_good_bytes$`)),
  });
  const [rx, tx] = [flow('rx'), flow('tx')];
  const bursts = sum(/^rx_q\d+_bursts$/);
  return {
    rx,
    tx,
    batch: bursts > 0 ? Math.max(rx.pps, tx.pps) / bursts : undefined,
    kicks: sum(/^[rt]x_q\d+_kicks$/),
    calls: sum(/^[rt]x_q\d+_(calls|guest_notifications)$/),
    drops: sum(dropNames),
    dropped: Object.entries(port.stats).reduce((all, [name, n]) => all + (dropNames.test(name) ? n : 0), 0),
    counters,
  };
}

const dropNames = /^[rt]x_q\d+_(dropped_\w+|lost)_packets$/;
