import { PacketBurst } from '@vio/net';
import type { Lane } from './lane.ts';
import type { ForwardStep, LaneCounts } from './modes.ts';

/** Bursts per turn of the event loop: a turn costs about a microsecond, so several share it. */
const burstsPerTurn = 256;

/** Lanes may come and go while it runs, as frontends connect to a backend and leave. */
export class Forwarder {
  readonly counts: LaneCounts = { received: 0, sent: 0, dropped: 0 };
  readonly #lanes = new Set<Lane>();
  readonly #step: ForwardStep;
  readonly #burst: PacketBurst;
  #running = false;
  #stopped: Promise<void> = Promise.resolve();

  /** @param burstSize packets per burst, 1 to 512 */
  constructor(step: ForwardStep, burstSize: number) {
    this.#step = step;
    this.#burst = new PacketBurst(burstSize);
  }

  add(lane: Lane): void {
    this.#lanes.add(lane);
  }

  remove(lane: Lane): void {
    this.#lanes.delete(lane);
  }

  /** Polls all lanes until `stop`; the event loop gets a turn between slices of work. */
  start(): void {
    this.#running = true;
    this.#stopped = new Promise((resolve) => {
      let idleTurns = 0;
      const turn = (): void => {
        if (!this.#running) return resolve();
        idleTurns = this.#turn() > 0 ? 0 : idleTurns + 1;
        // A forwarder with nothing to do for a while yields its core for a millisecond at a time.
        if (idleTurns < 10_000) setImmediate(turn);
        else setTimeout(turn, 1);
      };
      turn();
    });
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#stopped;
  }

  #turn(): number {
    let moved = 0;
    for (const lane of this.#lanes) {
      for (let i = 0; i < burstsPerTurn; i++) {
        const packets = this.#step(lane, this.#burst, this.counts);
        moved += packets;
        if (packets === 0) break;
      }
    }
    return moved;
  }
}
