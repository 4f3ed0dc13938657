import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { median } from '@vio/test/median';

/**
 * How far apart two CPUs are at this moment: the round trip of a cache line between them. A hypervisor moves virtual
 * CPUs between nearer and farther cores within seconds, and that decides more than any code does.
 */
export class PlacementProbe {
  readonly #lines = new Int32Array(new SharedArrayBuffer(256));
  readonly #workers: Worker[];

  private constructor(cpus: readonly [number, number]) {
    this.#workers = cpus.map(
      (cpu, i) =>
        new Worker(new URL('./ping-pong-worker.js', import.meta.url), {
          workerData: { lines: this.#lines, cpu, serves: i === 0 },
        }),
    );
  }

  static async start(cpus: readonly [number, number]): Promise<PlacementProbe> {
    const probe = new PlacementProbe(cpus);
    await Promise.all(probe.#workers.map((worker) => once(worker, 'message')));
    for (let i = 0; i < 5; i++) await probe.roundTrip(); // until V8 has compiled the loop
    return probe;
  }

  /** @returns nanoseconds; nothing else may poll on the two CPUs meanwhile */
  async roundTrip(): Promise<number> {
    const samples: number[] = [];
    for (let i = 0; i < 5; i++) {
      this.#lines.fill(0);
      const answers = this.#workers.map((worker) => once(worker, 'message'));
      for (const worker of this.#workers) worker.postMessage(4000);
      const [[time]]: number[][] = await Promise.all(answers);
      samples.push(time);
    }
    return median(samples);
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

export type Distance = 'near' | 'middle' | 'far';

/** What the round trips before and after a window say about it. */
export function distanceOf(before: number, after: number): Distance {
  const distances = [before, after].map((ns) => (ns < 200 ? 'near' : ns > 300 ? 'far' : 'middle'));
  return distances[0] === distances[1] ? distances[0] : 'middle';
}
