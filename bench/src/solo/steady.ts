// Memory over a hundred million packets: what the collector did, and what the heap and the process grew by.
import { type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { deviceLoops, portLoops } from '../own/loops.ts';
import { openPair } from './pair.ts';

export interface Steady {
  readonly packets: number;
  readonly seconds: number;
  /** Runs of the garbage collector while the packets moved. */
  readonly collections: number;
  /** Bytes. */
  readonly heapGrowth: number;
  readonly residentGrowth: number;
}

/** @param packets to move through both rings, there and back */
export async function steadyState(devargs: string, packets: number): Promise<Steady> {
  await using pair = await openPair(devargs);
  const { port, device, pool } = pair;
  const loops = [
    portLoops.txonly(port, 64),
    deviceLoops.io(device, pool, 64),
    portLoops.rxonly(port, 64),
  ] as const;
  const move = (count: number): void => {
    for (let moved = 0; moved < count; moved += loops[2](6)) {
      loops[0](6);
      loops[1](6);
    }
  };
  move(5_000_000); // until V8 has compiled everything for good
  await turn();

  const collections: PerformanceEntry[] = [];
  const observer = new PerformanceObserver((list) => collections.push(...list.getEntries()));
  observer.observe({ entryTypes: ['gc'] });
  const before = process.memoryUsage();
  const begin = performance.now();
  move(packets);
  const end = performance.now();
  const after = process.memoryUsage();
  await turn();
  collections.push(...observer.takeRecords());
  observer.disconnect();
  return {
    packets,
    seconds: (end - begin) / 1000,
    // What the turns of the event loop before and after did with the garbage of earlier measurements is not of the packets.
    collections: collections.filter(({ startTime }) => startTime >= begin && startTime <= end).length,
    heapGrowth: after.heapUsed - before.heapUsed,
    residentGrowth: after.rss - before.rss,
  };
}
