// What an open live page costs a port of 8 queue pairs at full speed: windows with and without one by turns, as medians of ratios.
//
//   node bench/dist/page-cost.js [ROUNDS]     default 20
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type ClientRequest, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { allowedCpus } from '@vio/test/cpus';
import { median } from './statistics.ts';

const rounds = Number(process.argv[2] ?? 20);
const windowMilliseconds = 2000;
const settleMilliseconds = 1200;
const vio = fileURLToPath(new URL('../../packages/cli/bin/vio.js', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'vio-page-cost-'));
const [portCpu, backendCpu] = allowedCpus().slice(-2);

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
  /** Nanoseconds that the thread has run. */
  readonly ran: number;
}

async function moment(socketPath: string, pid: number): Promise<Moment> {
  const scraped = await get(socketPath);
  const counters = scraped.matchAll(/^vio_[rt]x_good_packets_total\{.*\} (\d+)$/gm);
  const packets = Array.from(counters, ([, value]) => Number(value)).reduce((sum, value) => sum + value, 0);
  const [ran] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ').map(Number);
  return { at: performance.now(), packets, ran };
}

interface Window {
  readonly packetsPerSecond: number;
  readonly nanosecondsPerPacket: number;
}

async function measure(socketPath: string, pid: number, open: boolean): Promise<Window> {
  const page = open ? openPage(socketPath) : undefined;
  await setTimeout(settleMilliseconds);
  const begin = await moment(socketPath, pid);
  await setTimeout(windowMilliseconds);
  const end = await moment(socketPath, pid);
  page?.destroy();
  const packets = end.packets - begin.packets;
  return {
    packetsPerSecond: (1000 * packets) / (end.at - begin.at),
    nanosecondsPerPacket: (end.ran - begin.ran) / packets,
  };
}

const socket = join(directory, 'vhost.sock');
const metrics = join(directory, 'metrics.sock');
const backend = await start(backendCpu, ['backend', socket, '--queues', '8'], /vhost-user backend on/);
const port = await start(
  portCpu,
  ['run', `path=${socket},queues=8`, '--forward-mode', 'flowgen', '--metrics', metrics, '--page-packets'],
  /pps/,
);
const pid = port.pid ?? 0;
try {
  const speeds: number[] = [];
  const costs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    // By turns, so that what drifts meanwhile is in both.
    const first = await measure(metrics, pid, round % 2 === 0);
    const second = await measure(metrics, pid, round % 2 === 1);
    const [open, closed] = round % 2 === 0 ? [first, second] : [second, first];
    speeds.push(open.packetsPerSecond / closed.packetsPerSecond);
    costs.push(open.nanosecondsPerPacket / closed.nanosecondsPerPacket);
    console.log(
      `${(closed.packetsPerSecond / 1e6).toFixed(2)} Mpps without, ${(open.packetsPerSecond / 1e6).toFixed(2)} with; ` +
        `${closed.nanosecondsPerPacket.toFixed(1)} ns of CPU a packet without, ${open.nanosecondsPerPacket.toFixed(1)} with`,
    );
  }
  console.log(`packets per second with a page: ${median(speeds).toFixed(4)} of those without`);
  console.log(`CPU time per packet with a page: ${median(costs).toFixed(4)} of that without`);
} finally {
  for (const child of [port, backend]) {
    child.kill('SIGINT');
    await once(child, 'close');
  }
  rmSync(directory, { recursive: true });
}
