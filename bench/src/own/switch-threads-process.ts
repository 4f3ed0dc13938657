// Two pairs of hosts that send to each other as fast as they can, by a switch of one thread or two in another process. Arguments:
// THREADS ACROSS (1: the hosts of a pair are on different threads). Prints one line of JSON.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ThreadsSample } from '../solo/switch-threads.ts';
import { type Host, drained, openHost, receive, send } from './switch-hosts.ts';

const [threads, across] = process.argv.slice(2).map(Number);
const milliseconds = 1000;
/** Of each host, the thread that has its port: 0 and 1 are a pair, and 2 and 3. */
const threadOf = threads === 1 ? [0, 0, 0, 0] : across === 1 ? [0, 1, 0, 1] : [0, 0, 1, 1];

const directory = mkdtempSync(join(tmpdir(), 'vio-switch-threads-'));
const socket = (i: number): string => join(directory, `${i}.sock`);
const config = {
  workers: threads,
  bridges: [{ name: 'br' }],
  ports: threadOf.map((worker, i) => ({ name: `p${i}`, bridge: 'br', socket: socket(i), queues: 1, worker })),
};
const alone = fileURLToPath(new URL('switch-alone.js', import.meta.url));
const fabric = spawn(process.execPath, [alone, JSON.stringify(config)], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
await once(fabric.stdout, 'data');
const hosts: Host[] = [];
for (const i of threadOf.keys()) hosts.push(await openHost(socket(i), 1024, 1024));

// Everybody is heard once.
for (const [i, host] of hosts.entries())
  send(
    host,
    () => 1000,
    () => i,
  );
await drained(hosts);

await during(300);
const before = cpuTimes();
const moved = await during(milliseconds);
const after = cpuTimes();
const spent = Array.from(after, ([thread, nanoseconds]) => nanoseconds - (before.get(thread) ?? 0));
const sample: ThreadsSample = {
  mpps: moved / milliseconds / 1000,
  nanoseconds: spent.reduce((sum, one) => sum + one, 0) / moved,
  busiest: Math.max(...spent) / moved,
};
console.log(JSON.stringify(sample));
for (const { port } of hosts) await port.close();
fabric.stdin.end();
await once(fabric, 'close');
rmSync(directory, { recursive: true });

/** Every host sends to the other of its pair. @returns frames that have arrived */
async function during(time: number): Promise<number> {
  const end = performance.now() + time;
  let frames = 0;
  while (performance.now() < end) {
    for (const [i, host] of hosts.entries())
      send(
        host,
        () => i ^ 1,
        () => i,
      );
    frames += receive(hosts);
    await turn();
  }
  return frames;
}

/** Nanoseconds that each thread of the switch has had a CPU. */
function cpuTimes(): Map<string, number> {
  const tasks = `/proc/${fabric.pid}/task`;
  const time = (task: string): number =>
    Number(readFileSync(join(tasks, task, 'schedstat'), 'utf8').split(' ')[0]);
  return new Map(readdirSync(tasks).map((task) => [task, time(task)]));
}
