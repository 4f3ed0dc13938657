import { type LaneCounts, totalCounts } from '../forward/counts.ts';
import { Forwarder } from '../forward/forwarder.ts';
import { type MeteredLane, burstCounters } from '../forward/lane.ts';
import { forwardStep } from '../forward/modes.ts';
import { TurnTimes } from '../forward/turn-times.ts';
import type { Stream } from '../forward/stream.ts';
import type { PortTopology } from '../forward/topology.ts';
import type { Datapath, ForwardWork, StreamReport } from './datapath.ts';
import type { PortSlot } from './port-slot.ts';
import { streamsBetween } from './streams.ts';

/** Forwards in this thread, between turns of its event loop. */
export class LocalDatapath implements Datapath {
  readonly threads = 1;
  /** How long turns take. */
  readonly #times: TurnTimes;
  readonly #slots: readonly PortSlot[];
  readonly #topology: PortTopology;
  #streams: readonly Stream[] = [];
  #forwarder: Forwarder | undefined;

  constructor(slots: readonly PortSlot[], topology: PortTopology, times = new TurnTimes()) {
    this.#times = times;
    this.#slots = slots;
    this.#topology = topology;
  }

  get running(): boolean {
    return this.#forwarder !== undefined;
  }

  get lanes(): readonly MeteredLane[] {
    return this.#streams;
  }

  get counts(): LaneCounts {
    return totalCounts(this.#streams);
  }

  get streams(): readonly StreamReport[] {
    return this.#streams.map(({ from, to, counts }) => ({
      from: { port: from.port, queue: from.queue },
      to: { port: to.port, queue: to.queue },
      thread: 0,
      counts,
    }));
  }

  async start(work: ForwardWork): Promise<void> {
    const { mode, segments, burst, txFirst, peers, checksums, tags, retry } = work;
    await this.stop();
    const step = forwardStep(mode, segments);
    const first = forwardStep('txonly', segments);
    this.#streams = streamsBetween(this.#slots, {
      topology: this.#topology,
      peers,
      checksums,
      tags,
      retry,
    });
    const forwarder = new Forwarder(step, burst, undefined, this.#times);
    for (const stream of this.#streams) forwarder.add(stream);
    this.#forwarder = forwarder;
    if (await forwarder.first(first, txFirst)) forwarder.start();
  }

  async stop(): Promise<void> {
    const forwarder = this.#forwarder;
    this.#forwarder = undefined;
    await forwarder?.stop();
  }

  besides(port: number): Record<string, number> {
    return burstCounters(this.#streams.filter(({ from }) => from.port === port));
  }

  stats(port: number): Readonly<Record<string, number>> {
    return this.#slots[port]?.port?.xstats() ?? {};
  }

  resetStats(port: number): void {
    this.#slots[port]?.port?.resetStats();
  }

  portClosed(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
