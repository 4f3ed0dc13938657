// A switch with many ports in one process, with a host on every one: what it costs to open, and what a frame costs that goes from
// a host to another whose address is known. Arguments: PORTS ADDRESSES. Prints one line of JSON.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { VioSwitch, parseConfig } from '@vio/switch';
import type { SwitchScale } from '../solo/switch-scale.ts';
import { type Host, burstSize, drained, openHost, receive, send } from './switch-hosts.ts';

const [count, addresses] = process.argv.slice(2).map(Number);
const queueSize = 64;

const directory = mkdtempSync(join(tmpdir(), 'vio-switch-scale-'));
const socket = (i: number): string => join(directory, `${i}.sock`);
const numbers = Array.from({ length: count }, (_, i) => i);
const milliseconds = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1000;

const begin = process.cpuUsage();
const fabric = await VioSwitch.start(
  parseConfig({
    bridges: [{ name: 'br', addresses: roomFor(addresses) }],
    ports: numbers.map((i) => ({ name: `p${i}`, bridge: 'br', socket: socket(i), queues: 1 })),
  }),
);
const hosts: Host[] = [];
for (const i of numbers) hosts.push(await openHost(socket(i), queueSize));
while (fabric.ports().some(({ connected }) => !connected)) await turn();
const opened = milliseconds(process.cpuUsage(begin));

// Every host speaks once from each of its addresses: host i has i, i + ports, i + 2 * ports, ...
for (let first = 0; first < addresses; first += burstSize * count) {
  for (const [i, host] of hosts.entries())
    send(
      host,
      () => 0,
      (k) => (first + k * count + i) % addresses,
    );
  await drained(hosts);
}
const learned = fabric.macs().length;

await during(300);
const before = { cpu: process.cpuUsage(), flooded: flooded() };
const moved = await during(2000);
const cpu = milliseconds(process.cpuUsage(before.cpu));

const scale: SwitchScale = {
  ports: count,
  addresses,
  openMilliseconds: opened / count,
  learned,
  nanoseconds: (cpu * 1e6) / moved,
  floodedPercent: (100 * (flooded() - before.flooded)) / moved,
};
console.log(JSON.stringify(scale));
for (const { port } of hosts) await port.close();
await fabric.close();
rmSync(directory, { recursive: true });

/** Places of the table: a power of two, four times as many as addresses at least. */
function roomFor(wanted: number): number {
  return Math.max(8192, 2 ** Math.ceil(Math.log2(4 * wanted)));
}

function flooded(): number {
  return Object.values(fabric.counters()).reduce((sum, counters) => sum + counters['flooded_frames'], 0);
}

/** Every host sends to addresses of others, all over the table. @returns frames that have arrived */
async function during(time: number): Promise<number> {
  const end = performance.now() + time;
  let frames = 0;
  let next = 1;
  while (performance.now() < end) {
    for (const [i, host] of hosts.entries()) {
      send(
        host,
        () => (next = (next + 7919) % addresses),
        (k) => i + count * k,
      );
    }
    await turn();
    frames += receive(hosts);
  }
  return frames + (await drained(hosts));
}
