import { setTimeout as sleep } from 'node:timers/promises';
import type { Testpmd } from '@vio/test/testpmd';
import type { Contender } from './contender.ts';
import type { Window } from './duel.ts';
import { type Mode, peerMode } from './modes.ts';
import { type PlacementProbe, distanceOf } from './placement/probe.ts';

/** Frames that go round in `io`: 4 bursts of 32, less than any ring on the way holds. */
const ioBursts = 4;

/** The ports of the common peer that the two contenders have; as it is a swap or none, also the contenders of the two ports. */
export type Ports = readonly [0, 1] | readonly [1, 0];

/**
 * Two contenders and one common testpmd with a port for each. Only one contender moves frames at a time, on the same
 * CPU as the other, and the common peer forwards its port alone.
 */
export class Arena {
  readonly #common: Testpmd;
  readonly #contenders: readonly [Contender, Contender];
  readonly #ports: Ports;
  readonly #probe: PlacementProbe;

  constructor(
    common: Testpmd,
    contenders: readonly [Contender, Contender],
    ports: Ports,
    probe: PlacementProbe,
  ) {
    this.#common = common;
    this.#contenders = contenders;
    this.#ports = ports;
    this.#probe = probe;
  }

  /** @param index of the contender @param times in milliseconds */
  async measure(
    index: 0 | 1,
    mode: Mode,
    length: number,
    times: { settle: number; window: number },
  ): Promise<Window> {
    const common = this.#common;
    const contender = this.#contenders[index];
    const port = this.#ports[index];
    const before = await this.#probe.roundTrip();
    await common.run(`set portlist ${port}`);
    await common.run(`set fwd ${peerMode[mode]}`);
    await common.run(`set txpkts ${length}`);
    await contender.start(mode, length);
    await common.run(mode === 'io' ? `start tx_first ${ioBursts}` : 'start');
    await sleep(times.settle);
    await contender.takePolls();
    const begin = await this.#delivered(port, mode);
    await sleep(times.window);
    const end = await this.#delivered(port, mode);
    const polls = await contender.takePolls();
    await this.#drain(contender, mode);
    const rate = ((end.frames - begin.frames) * 1000) / (end.time - begin.time);
    return { rate, distance: distanceOf(before, await this.#probe.roundTrip()), polls };
  }

  async #delivered(port: number, mode: Mode): Promise<{ frames: number; time: number }> {
    const { rxPackets, txPackets } = await this.#common.stats(port);
    return { frames: mode === 'rxonly' ? txPackets : rxPackets, time: performance.now() };
  }

  /** Stops the sender first, so that the rings are empty for the next window. */
  async #drain(contender: Contender, mode: Mode): Promise<void> {
    if (mode === 'txonly') await contender.stop();
    await this.#common.stop();
    if (mode === 'io') {
      await this.#common.forward('rxonly');
      await sleep(10);
      await this.#common.stop();
    }
    if (mode === 'rxonly') await sleep(5);
    if (mode !== 'txonly') await contender.stop();
  }
}
