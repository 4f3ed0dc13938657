import type { LaneCounts } from './modes.ts';

/** What happened between two samples. */
export interface Rates {
  /** Seconds since forwarding began. */
  readonly seconds: number;
  /** Packets per second since the previous sample. */
  readonly rxPps: number;
  readonly txPps: number;
  /** Packets since forwarding began. */
  readonly received: number;
  readonly sent: number;
  readonly dropped: number;
}

/** Turns counters that only grow into rates. */
export class RateMeter {
  readonly #counts: LaneCounts;
  readonly #begin = performance.now();
  #at = this.#begin;
  #received = 0;
  #sent = 0;

  constructor(counts: LaneCounts) {
    this.#counts = counts;
  }

  sample(): Rates {
    const now = performance.now();
    const seconds = Math.max(now - this.#at, 1e-3) / 1000;
    const { received, sent, dropped } = this.#counts;
    const rates: Rates = {
      seconds: (now - this.#begin) / 1000,
      rxPps: (received - this.#received) / seconds,
      txPps: (sent - this.#sent) / seconds,
      received,
      sent,
      dropped,
    };
    this.#at = now;
    this.#received = received;
    this.#sent = sent;
    return rates;
  }
}

/** One line for a person. */
export function formatRates(rates: Rates): string {
  const mpps = (pps: number): string => `${(pps / 1e6).toFixed(3)} Mpps`;
  return (
    `${rates.seconds.toFixed(1).padStart(7)} s  rx ${mpps(rates.rxPps)}  tx ${mpps(rates.txPps)}  ` +
    `received ${rates.received}  sent ${rates.sent}  dropped ${rates.dropped}`
  );
}
