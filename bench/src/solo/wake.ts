// How long a sleeping port takes to answer: from the moment a packet is on its ring to the moment the answer is taken off
// the other. The backend is ours for all, in this process, and polls.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cpuAffinity, setCpuAffinity } from '@vio/native';
import { PacketBurst } from '@vio/net';
import { privatePool } from '@vio/rings/testing';
import { median } from '@vio/test/median';
import { preflight } from '@vio/test/preflight';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { commandText } from '../report/command.ts';

/** Microseconds there and back: medians of what each round says. */
export interface Wake {
  readonly name: string;
  readonly p50: number;
  readonly p99: number;
  /** The median of a round's p50 over that of the last contender, which is DPDK's where there is one. */
  readonly toLast: number;
  readonly command: string;
}

/** Rounds of the contenders in turn, packets in each, and milliseconds between two packets: enough to fall asleep. */
const packetsPerRound = 200;
const pauseMilliseconds = 1;
/** Before those that count, at shorter pauses: V8 compiles what is called for each wake-up for as long, on the CPU of the port. */
const warmUpPackets = 20_000;
const warmUpMilliseconds = 0.1;
const leanMegabytes = 32;

const ours = fileURLToPath(new URL('../own/wake-echo.js', import.meta.url));
const source = fileURLToPath(new URL('../../dpdk/wake-echo.c', import.meta.url));

interface Contender {
  readonly name: string;
  readonly command: readonly string[];
}

/** @param rounds of 200 packets for each contender @param cpus of the port, and of the backend */
export async function wakeLatency(
  rounds: number,
  cpus: { contender: number; common: number },
): Promise<Wake[]> {
  preflight(2 * leanMegabytes);
  const directory = mkdtempSync(join(tmpdir(), 'vio-wake-'));
  const affinity = cpuAffinity();
  setCpuAffinity([cpus.common]);
  try {
    const contenders = contendersOn(cpus.contender, directory);
    const links: Link[] = [];
    try {
      for (const { command } of contenders) links.push(await Link.open(directory, links.length, command));
      for (const link of links) await link.measure(warmUpPackets, warmUpMilliseconds);
      const said: { p50: number; p99: number }[][] = links.map(() => []);
      for (let round = 0; round < rounds; round++) {
        const order = [...links.keys()];
        for (const i of round % 2 === 0 ? order : order.toReversed())
          said[i].push(percentiles(await links[i].measure(packetsPerRound, pauseMilliseconds)));
      }
      return contenders.map(({ name, command }, i) => ({
        name,
        p50: median(said[i].map(({ p50 }) => p50)),
        p99: median(said[i].map(({ p99 }) => p99)),
        toLast: median(said[i].map(({ p50 }, round) => p50 / said[said.length - 1][round].p50)),
        command: inWords(command),
      }));
    } finally {
      for (const link of links) await link.close();
    }
  } finally {
    setCpuAffinity(affinity);
    rmSync(directory, { recursive: true });
  }
}

/** `SOCKET` stands for the socket. */
function contendersOn(cpu: number, directory: string): Contender[] {
  const dpdk = [
    '--no-pci',
    '--in-memory',
    '--no-telemetry',
    '--single-file-segments',
    '-m',
    String(leanMegabytes),
  ];
  const vdev = '--vdev=net_virtio_user0,path=SOCKET';
  const asleep = (name: string, ...how: readonly string[]): Contender => ({
    name,
    command: ['taskset', '-c', String(cpu), process.execPath, ours, 'SOCKET', ...how],
  });
  const program = compile(directory);
  const theirs: Contender[] =
    program === undefined
      ? []
      : [{ name: 'DPDK, asleep', command: [program, `--lcores=0@${cpu}`, ...dpdk, vdev] }];
  return [asleep('ours, asleep on the event loop'), asleep('ours, blocked', 'blocking'), ...theirs];
}

/** The DPDK program, if there are headers to compile it with; testpmd has no mode that sleeps. */
function compile(directory: string): string | undefined {
  const program = join(directory, 'wake-echo');
  const flags = spawnSync('pkg-config', ['--cflags', '--libs', 'libdpdk'], { encoding: 'utf8' });
  if (flags.status !== 0) return undefined;
  const words = flags.stdout.trim().split(/\s+/);
  return spawnSync('gcc', ['-O2', '-o', program, source, ...words]).status === 0 ? program : undefined;
}

/** A contender that runs, and the backend's end of its rings. */
class Link {
  readonly #driver: VhostDriver;
  readonly #device: VhostDevice;
  readonly #child: ChildProcess;
  readonly #pool = privatePool();
  readonly #out = new PacketBurst(1);
  readonly #back = new PacketBurst(32);

  private constructor(driver: VhostDriver, device: VhostDevice, child: ChildProcess) {
    this.#driver = driver;
    this.#device = device;
    this.#child = child;
  }

  static async open(directory: string, index: number, command: readonly string[]): Promise<Link> {
    const socket = join(directory, `${index}.sock`);
    const driver = VhostDriver.register(socket);
    const appeared = new Promise<VhostDevice>((newDevice) => driver.callbacks({ newDevice }));
    await driver.start();
    const [program, ...args] = command.map((word) => word.replace('SOCKET', socket));
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    child.stderr
      .setEncoding('utf8')
      .on('data', (text: string) => (complaint = (complaint + text).slice(-2000)));
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`${command.join(' ')} ended with ${String(code)}: ${complaint}`);
    });
    ended.catch(() => {});
    return new Link(driver, await Promise.race([appeared, ended]), child);
  }

  /** @param pause milliseconds before each packet @returns microseconds of each, there and back */
  async measure(packets: number, pause: number): Promise<number[]> {
    const times: number[] = [];
    for (let i = 0; i < packets; i++) {
      await turn();
      this.#poll(pause);
      this.#out.allocate(this.#pool, 1, 64);
      const begin = performance.now();
      this.#device.enqueueBurst(0, this.#out);
      this.#out.release();
      while (this.#take() === 0) {
        if (performance.now() - begin > 5000) throw new Error(`packet ${i} did not come back`);
      }
      times.push((performance.now() - begin) * 1000);
    }
    return times;
  }

  async close(): Promise<void> {
    const exit = once(this.#child, 'exit');
    if (this.#child.kill('SIGKILL')) await exit;
    await this.#driver.close();
  }

  #poll(milliseconds: number): void {
    for (const end = performance.now() + milliseconds; performance.now() < end;) this.#take();
  }

  #take(): number {
    const taken = this.#device.dequeueBurst(1, this.#pool, this.#back);
    this.#back.release();
    return taken;
  }
}

function percentiles(times: readonly number[]): { p50: number; p99: number } {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return { p50: at(0.5), p99: at(0.99) };
}

function inWords(command: readonly string[]): string {
  return commandText(command.map((word) => word.replace(/^\/.*\/wake-echo$/, 'wake-echo')));
}
