import { setImmediate as turnOfLoop, setTimeout } from 'node:timers/promises';
import { PacketBurst } from '@vio/net';
import { type LaneCounts, addCounts, noCounts, totalCounts } from './counts.ts';
import type { ForwardStep } from './engine.ts';
import type { MeteredLane } from './lane.ts';
import { TurnTimes } from './turn-times.ts';

/** Bursts per turn of the event loop: a turn costs about a microsecond, so several share it. */
const burstsPerTurn = 256;

/** Turns without a packet before it sleeps, or yields its core: some ten milliseconds. */
const patientTurns = 10_000;

/** Lanes may come and go while it runs, as frontends connect to a backend and leave. */
export class Forwarder {
  /** How long its turns take, while somebody wants to know. */
  readonly times: TurnTimes;
  /** Of lanes that are gone. */
  readonly #past = noCounts();
  readonly #lanes = new Set<MeteredLane>();
  readonly #step: ForwardStep;
  readonly #burst: PacketBurst;
  readonly #untilPackets: ((signal: AbortSignal) => Promise<void>) | undefined;
  #running = false;
  /** Ends a sleep; undefined: it does not sleep. */
  #wake: AbortController | undefined;
  #stopped: Promise<void> = Promise.resolve();

  /**
   * @param burstSize packets per burst, 1 to 512
   * @param untilPackets sleeps until a lane has something to receive; undefined: it polls, because its lanes send by themselves
   */
  constructor(
    step: ForwardStep,
    burstSize: number,
    untilPackets?: (signal: AbortSignal) => Promise<void>,
    times = new TurnTimes(),
  ) {
    this.times = times;
    this.#step = step;
    this.#untilPackets = untilPackets;
    this.#burst = new PacketBurst(burstSize, { offloads: true, vlan: true });
  }

  /** What was done with the packets of all lanes, of those that are gone as well. */
  get counts(): LaneCounts {
    const all = totalCounts(this.#lanes);
    addCounts(all, this.#past);
    return all;
  }

  /** Those it polls now. */
  get lanes(): Iterable<MeteredLane> {
    return this.#lanes;
  }

  add(lane: MeteredLane): void {
    this.#lanes.add(lane);
    this.#wake?.abort();
  }

  remove(lane: MeteredLane): void {
    if (this.#lanes.delete(lane)) addCounts(this.#past, lane.counts);
    this.#wake?.abort();
  }

  /** Polls all lanes until `stop`; the event loop gets a turn between slices of work. */
  start(): void {
    this.#running = true;
    this.#stopped = new Promise((resolve) => {
      let idleTurns = 0;
      const turn = (): void => {
        if (!this.#running) return resolve();
        const moved = this.times.on ? this.#timedTurn() : this.#turn();
        idleTurns = moved > 0 ? 0 : idleTurns + 1;
        if (idleTurns < patientTurns) setImmediate(turn);
        else void this.#idle().then(turn);
      };
      turn();
    });
  }

  /**
   * So many bursts of another mode through every lane, as `start tx_first` has it.
   * @returns false when it was stopped meanwhile
   */
  async first(step: ForwardStep, times: number): Promise<boolean> {
    this.#running = true;
    for (let i = 1; i <= times && this.#running; i++) {
      let waited = i % burstsPerTurn === 0;
      for (const lane of this.#lanes) {
        if (step(lane, this.#burst, lane.counts) > 0) lane.bursts++;
        waited ||= lane.waited === true;
      }
      if (waited) await turnOfLoop();
    }
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#wake?.abort();
    await this.#stopped;
  }

  #timedTurn(): number {
    const began = performance.now();
    const moved = this.#turn();
    // To read the clock is not for nothing where turns are short.
    const ended = this.times.workIsNext ? performance.now() : undefined;
    this.times.add(began, ended, moved);
    return moved;
  }

  /** Leaves the core to others: until there are packets, or for a millisecond. */
  async #idle(): Promise<void> {
    this.times.rest();
    if (this.#untilPackets === undefined) return setTimeout(1);
    this.#wake = new AbortController();
    await this.#untilPackets(this.#wake.signal);
    this.#wake = undefined;
  }

  #turn(): number {
    let moved = 0;
    for (const lane of this.#lanes) {
      for (let i = 0; i < burstsPerTurn; i++) {
        const packets = this.#step(lane, this.#burst, lane.counts);
        moved += packets;
        if (packets === 0) break;
        lane.bursts++;
        if (lane.waited === true) break;
      }
    }
    return moved;
  }
}
