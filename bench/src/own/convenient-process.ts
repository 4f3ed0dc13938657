// Frames for those who never heard of bursts: the port's convenient calls, beside what one would otherwise take in Node. Both
// ends are in this process, the other end's work is part of the time, and frames are counted where they arrive.
// Arguments: SAMPLES MILLISECONDS [DESCRIPTORS of links]. Prints one line of JSON.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Convenient } from '../solo/convenient.ts';
import { median } from '@vio/test/median';
import { linkWays } from './convenient/link-ways.ts';
import { nodeWays } from './convenient/node-ways.ts';
import { portWays } from './convenient/port-ways.ts';
import { type Way, chunk } from './convenient/way.ts';

const [samples, milliseconds, ...descriptors] = process.argv.slice(2).map(Number);

/** @returns million frames a second of CPU, whatever else runs on the machine: threads and system calls of this process count */
async function sample({ move }: Way): Promise<number> {
  const begin = process.cpuUsage();
  const end = performance.now() + milliseconds;
  let moved = 0;
  while (performance.now() < end) {
    await move();
    moved += chunk;
  }
  const { user, system } = process.cpuUsage(begin);
  return moved / (user + system);
}

const results: { readonly name: string; readonly way: Way; readonly rates: number[] }[] = [];
for (const [name, open] of Object.entries({ ...portWays, ...nodeWays, ...linkWays(descriptors) })) {
  const way = await open();
  await sample(way);
  results.push({ name, way, rates: [] });
}
// By turns, so that what drifts meanwhile is in all of them.
for (let i = 0; i < samples; i++) {
  for (const { way, rates } of results) {
    rates.push(await sample(way));
    await sleep(1);
  }
}
for (const { way } of results) await way[Symbol.asyncDispose]();
const table: Convenient[] = results.map(({ name, rates }) => ({ name, mpps: median(rates) }));
console.log(JSON.stringify(table));
