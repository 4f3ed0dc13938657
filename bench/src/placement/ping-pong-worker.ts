// One end of a cache line ping-pong, on a CPU of its own. Sleeps in its event loop until it is asked.
import { setCpuAffinity } from '@vio/native';
import { parentPort, workerData } from 'node:worker_threads';

export interface PingPongData {
  readonly lines: Int32Array;
  readonly cpu: number;
  readonly serves: boolean;
}

const { lines, cpu, serves }: PingPongData = workerData;
const [mine, theirs] = serves ? [0, 32] : [32, 0];

/** @returns nanoseconds per round trip */
function play(rounds: number): number {
  const begin = performance.now();
  for (let i = 1; i <= rounds; i++) {
    if (serves) Atomics.store(lines, mine, i);
    while (Atomics.load(lines, theirs) !== i);
    if (!serves) Atomics.store(lines, mine, i);
  }
  return ((performance.now() - begin) * 1e6) / rounds;
}

setCpuAffinity([cpu]);
parentPort?.on('message', (rounds: number) => parentPort?.postMessage(play(rounds)));
parentPort?.postMessage('ready');
