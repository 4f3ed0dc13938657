// What an open live page costs a port of eight queue pairs at full speed: windows with a page and without one, turn about.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { type ClientRequest, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { median } from '@vio/test/median';

/** Medians; a ratio is that of neighbouring windows, with a page / without. */
export interface PageCost {
  /** Million packets a second without a page, and with. */
  readonly mpps: readonly [closed: number, open: number];
  readonly speed: number;
  /** Nanoseconds of CPU time that the process takes for a packet, all its threads together. */
  readonly cpu: readonly [closed: number, open: number];
  readonly cost: number;
  /** The median of such costs lies between them, in nineteen of twenty measurements. */
  readonly costRange: readonly [least: number, most: number];
}

const pairs = 8;
const windowMilliseconds = 2000;
/** After a page was opened or closed. */
const settleMilliseconds = 1200;
const vio = fileURLToPath(new URL('../../../packages/cli/bin/vio.js', import.meta.url));

interface Window {
  readonly mpps: number;
  readonly cpu: number;
}

/** @param rounds of four windows @param cpus of the port, and of the backend */
export async function pageCost(
  rounds: number,
  cpus: { contender: number; common: number },
): Promise<PageCost> {
  const directory = mkdtempSync(join(tmpdir(), 'vio-page-cost-'));
  const [socket, metrics] = ['vhost.sock', 'metrics.sock'].map((name) => join(directory, name));
  const children: ChildProcess[] = [];
  try {
    const backend = ['backend', socket, '--queues', String(pairs), '--no-telemetry'];
    children.push(await start(cpus.common, backend, /vhost-user backend on/));
    const run = ['run', `path=${socket},queues=${pairs}`, '--forward-mode', 'flowgen', '--metrics', metrics];
    const port = await start(cpus.contender, [...run, '--page-packets', '--no-telemetry'], /pps/);
    children.unshift(port);
    const without: Window[] = [];
    const withOne: Window[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const open of [false, true, true, false])
        (open ? withOne : without).push(await measure(metrics, port.pid ?? 0, open));
    }
    const of = (windows: readonly Window[], what: keyof Window): number =>
      median(windows.map((window) => window[what]));
    const ratios = (what: keyof Window): number[] =>
      withOne.map((window, i) => window[what] / without[i][what]);
    return {
      mpps: [of(without, 'mpps'), of(withOne, 'mpps')],
      speed: median(ratios('mpps')),
      cpu: [of(without, 'cpu'), of(withOne, 'cpu')],
      cost: median(ratios('cpu')),
      costRange: rangeOfMedian(ratios('cpu')),
    };
  } finally {
    for (const child of children) {
      child.kill('SIGINT');
      await once(child, 'close');
    }
    rmSync(directory, { recursive: true });
  }
}

/**
 * Where the median lies of what these are samples of, in nineteen of twenty cases: whatever is distributed how, as many of them as
 * heads of that many coins are below it.
 */
export function rangeOfMedian(samples: readonly number[]): [least: number, most: number] {
  const sorted = samples.toSorted((a, b) => a - b);
  const count = sorted.length;
  /** Of so many coins, so many heads. */
  let exactly = 0.5 ** count;
  let fewer = exactly;
  let rank = 0;
  // Both ends together leave out a twentieth at most.
  while (fewer <= 0.025 && rank < count >> 1) {
    rank++;
    exactly *= (count - rank + 1) / rank;
    fewer += exactly;
  }
  const first = Math.max(0, rank - 1);
  return [sorted[first], sorted[count - 1 - first]];
}

/** Starts `vio` on a CPU, once it has said this. */
async function start(cpu: number, args: readonly string[], ready: RegExp): Promise<ChildProcess> {
  const child = spawn('taskset', ['-c', String(cpu), process.execPath, vio, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    said += String(chunk);
    if (ready.test(said)) break;
  }
  child.stdout.resume();
  return child;
}

function get(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, path: '/metrics' }, (response) => resolve(text(response)));
    asking.on('error', reject).end();
  });
}

/** Opens a page, as far as the program is concerned: its stream, which is read. */
function openPage(socketPath: string): ClientRequest {
  const asking = request({ socketPath, path: '/live', agent: false }, (stream) => stream.resume());
  asking.on('error', () => {}).end();
  return asking;
}

interface Moment {
  readonly at: number;
  readonly packets: number;
  /** Nanoseconds that the process has run. */
  readonly ran: number;
}

async function moment(socketPath: string, pid: number): Promise<Moment> {
  const scraped = await get(socketPath);
  const counters = scraped.matchAll(/^vio_[rt]x_good_packets_total\{.*\} (\d+)$/gm);
  const packets = Array.from(counters, ([, value]) => Number(value)).reduce((sum, value) => sum + value, 0);
  const tasks = `/proc/${pid}/task`;
  const ran = readdirSync(tasks)
    .map((task) => Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]))
    .reduce((sum, value) => sum + value, 0);
  return { at: performance.now(), packets, ran };
}

async function measure(socketPath: string, pid: number, open: boolean): Promise<Window> {
  const page = open ? openPage(socketPath) : undefined;
  await wait(settleMilliseconds);
  const begin = await moment(socketPath, pid);
  await wait(windowMilliseconds);
  const end = await moment(socketPath, pid);
  page?.destroy();
  const packets = end.packets - begin.packets;
  return { mpps: packets / (1000 * (end.at - begin.at)), cpu: (end.ran - begin.ran) / packets };
}
