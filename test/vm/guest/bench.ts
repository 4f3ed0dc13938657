// Packets per second through the kernel, contender by contender in turns. Argument: what to measure, as JSON. Prints one
// JSON line. Run with a contender's name it is that contender.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Contender, type Direction, contenders } from './bench/contenders.ts';
import { nodeTapMain } from './bench/node-tap.ts';
import { Load } from './bench/load.ts';
import { vioMain } from './bench/vio.ts';

export type { Direction };

export interface Measurement {
  readonly lengths: readonly number[];
  readonly rounds: number;
  /** Milliseconds. */
  readonly settle: number;
  readonly window: number;
}

/** One window. */
export interface Window {
  readonly contender: string;
  readonly direction: Direction;
  readonly length: number;
  readonly round: number;
  /** Packets per second. */
  readonly rate: number;
}

async function main({ lengths, rounds, settle, window }: Measurement): Promise<void> {
  const all: Contender[] = [];
  for (const open of contenders) all.push(await open());
  const windows: Window[] = [];
  for (const direction of ['tx', 'rx'] as const) {
    for (const length of lengths) {
      // The first round is for V8 to compile what it will run.
      for (let round = -1; round < rounds; round++) {
        // There and back, so that nobody always comes after the same.
        for (const contender of round % 2 === 0 ? all : all.toReversed()) {
          const load = direction === 'rx' ? await Load.start(contender.far, length) : undefined;
          contender.start(direction, length);
          await sleep(settle);
          const [began, before] = [performance.now(), await contender.count(direction)];
          await sleep(window);
          const [ended, after] = [performance.now(), await contender.count(direction)];
          await contender.stop();
          await load?.stop();
          const rate = ((after - before) * 1000) / (ended - began);
          if (round >= 0) windows.push({ contender: contender.name, direction, length, round, rate });
          console.error(`${contender.name} ${direction} ${length}: ${Math.round(rate)} packets/s`);
        }
      }
    }
  }
  for (const contender of all) contender.close();
  console.log(JSON.stringify(windows));
}

const [what = '{}'] = process.argv.slice(2);
if (what === 'vio') await vioMain();
else if (what === 'node-tap') await nodeTapMain();
else await main(JSON.parse(what) as Measurement);
