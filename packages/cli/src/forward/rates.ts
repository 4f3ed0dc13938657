import type { LaneCounts } from './counts.ts';
import { type LaneTraffic, noTraffic } from './lane.ts';
import { withUnit } from './units.ts';

/** What passed through one queue pair between two samples, per second. */
export interface LaneRates {
  readonly name: string;
  /** Packets. */
  readonly rxPps: number;
  readonly txPps: number;
  /** Bits of the frames, without CRC, preamble and gap. */
  readonly rxBps: number;
  readonly txBps: number;
}

/** What happened between two samples. */
export interface ForwardRates {
  /** Seconds since forwarding began. */
  readonly seconds: number;
  /** Packets per second since the previous sample. */
  readonly rxPps: number;
  readonly txPps: number;
  /** Bits per second since the previous sample. */
  readonly rxBps: number;
  readonly txBps: number;
  /** Packets since forwarding began. */
  readonly received: number;
  readonly sent: number;
  readonly dropped: number;
  /** The same for each queue pair. */
  readonly queues: readonly LaneRates[];
}

/** Whose counters are measured. */
export interface MeteredSource {
  readonly name: string;
  /** The counters of its two queues. */
  traffic(): LaneTraffic;
}

/** What is measured: the counts of a forwarder, and its lanes. */
export interface MeteredTraffic {
  readonly counts: LaneCounts;
  readonly lanes: Iterable<MeteredSource>;
}

/** Turns counters that only grow into rates. */
export class RateMeter {
  readonly #traffic: MeteredTraffic;
  readonly #begin = performance.now();
  #at = this.#begin;
  #received = 0;
  #sent = 0;
  /** What each lane had counted at the last sample. A lane that is gone is forgotten. */
  #seen = new Map<MeteredSource, LaneTraffic>();

  constructor(traffic: MeteredTraffic) {
    this.#traffic = traffic;
    // Queues may have counted before the first sample.
    for (const lane of traffic.lanes) this.#seen.set(lane, lane.traffic());
  }

  sample(): ForwardRates {
    const now = performance.now();
    const seconds = Math.max(now - this.#at, 1e-3) / 1000;
    const { received, sent, dropped } = this.#traffic.counts;
    const queues = this.#sampleLanes(seconds);
    const sum = (rate: (queue: LaneRates) => number): number =>
      queues.reduce((all, one) => all + rate(one), 0);
    const rates: ForwardRates = {
      seconds: (now - this.#begin) / 1000,
      rxPps: (received - this.#received) / seconds,
      txPps: (sent - this.#sent) / seconds,
      rxBps: sum(({ rxBps }) => rxBps),
      txBps: sum(({ txBps }) => txBps),
      received,
      sent,
      dropped,
      queues,
    };
    this.#at = now;
    this.#received = received;
    this.#sent = sent;
    return rates;
  }

  #sampleLanes(seconds: number): LaneRates[] {
    const seen = new Map<MeteredSource, LaneTraffic>();
    const rates: LaneRates[] = [];
    for (const lane of this.#traffic.lanes) {
      const last = this.#seen.get(lane) ?? noTraffic;
      const now = lane.traffic();
      seen.set(lane, now);
      rates.push({
        name: lane.name,
        rxPps: (now.received - last.received) / seconds,
        txPps: (now.sent - last.sent) / seconds,
        rxBps: (8 * (now.receivedBytes - last.receivedBytes)) / seconds,
        txBps: (8 * (now.sentBytes - last.sentBytes)) / seconds,
      });
    }
    this.#seen = seen;
    return rates;
  }
}

/** For a person: one line, and one more for each queue pair where there are several. */
export function formatRates(rates: ForwardRates): string {
  const { seconds, received, sent, dropped, queues } = rates;
  const all = `${seconds.toFixed(1).padStart(7)} s  ${flow(rates)}  received ${received}  sent ${sent}  dropped ${dropped}`;
  const each =
    queues.length > 1 ? queues.map((queue) => `${' '.repeat(9)}  ${flow(queue)}  ${queue.name}`) : [];
  return [all, ...each].join('\n');
}

function flow({ rxPps, txPps, rxBps, txBps }: Omit<LaneRates, 'name'>): string {
  const direction = (pps: number, bps: number): string => `${withUnit(pps, 'pps')} ${withUnit(bps, 'bit/s')}`;
  return `rx ${direction(rxPps, rxBps)}  tx ${direction(txPps, txBps)}`;
}
