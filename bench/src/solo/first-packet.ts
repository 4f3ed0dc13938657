// From the start of a process to its first packet at the backend, which is ours for all.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PacketBurst } from '@vio/net';
import { privatePool } from '@vio/rings/testing';
import { preflight, testpmdProgram } from '@vio/test/preflight';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { median } from '@vio/test/median';
import { commandText } from '../report/command.ts';

const programs = fileURLToPath(new URL('../own/', import.meta.url));
const ours = join(programs, 'send-one.js');
const leanMegabytes = 32;

interface Contender {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Milliseconds. */
export interface FirstPacket {
  readonly name: string;
  readonly median: number;
  readonly best: number;
  readonly command: string;
}

/** @param rounds in each of which every contender starts once, in turn */
export async function firstPackets(rounds: number): Promise<FirstPacket[]> {
  preflight(leanMegabytes);
  const directory = mkdtempSync(join(tmpdir(), 'vio-first-'));
  try {
    const contenders = contendersWith(join(directory, 'cache'));
    const times: number[][] = contenders.map(() => []);
    // The first start of each finds its files on the disk, and fills the cache.
    for (let round = -1; round < rounds; round++) {
      for (const [i, contender] of contenders.entries()) {
        const time = await timeToFirstPacket(contender, join(directory, `${i}-${round}.sock`));
        if (round >= 0) times[i].push(time);
      }
    }
    return contenders.map(({ name, command }, i) => ({
      name,
      median: median(times[i]),
      best: Math.min(...times[i]),
      command: commandText(command),
    }));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** `SOCKET` stands for the socket. DPDK has as little memory as it starts with: zeroing hugepages is most of its time. */
function contendersWith(cache: string): Contender[] {
  const command = [process.execPath, ours, 'SOCKET'];
  const commonjs = [process.execPath, join(programs, 'send-one-commonjs.cjs'), 'SOCKET'];
  const keeps = 'enableCompileCache' in nodeModule;
  const kept = { name: 'ours, NODE_COMPILE_CACHE', command, env: { NODE_COMPILE_CACHE: cache } };
  const dpdk = [
    testpmdProgram,
    '--lcores=0@0,1@1',
    '--no-pci',
    '--in-memory',
    '--no-telemetry',
    '--single-file-segments',
    '-m',
    String(leanMegabytes),
    '--vdev=net_virtio_user0,path=SOCKET',
    '--',
    '--forward-mode=txonly',
    '--nb-cores=1',
    '--total-num-mbufs=2048',
    '--auto-start',
  ];
  const required = { name: 'ours, required by CommonJS', command: commonjs };
  return [{ name: 'ours', command }, required, ...(keeps ? [kept] : []), { name: 'DPDK', command: dpdk }];
}

/** @returns milliseconds */
async function timeToFirstPacket({ command, env }: Contender, socket: string): Promise<number> {
  const pool = privatePool();
  const burst = new PacketBurst(32);
  const driver = VhostDriver.register(socket);
  const devices: VhostDevice[] = [];
  driver.callbacks({ newDevice: (device) => devices.push(device) });
  await driver.start();
  const [program, ...args] = command.map((word) => word.replace('SOCKET', socket));
  const begin = performance.now();
  const child: ChildProcess = spawn(program, args, {
    stdio: ['pipe', 'ignore', 'ignore'],
    // Of this machine, not of the program: Node 20 reads all certificates of that file before it does anything, for 40 ms.
    env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined, ...env },
  });
  let time = 0;
  try {
    while ((devices[0]?.dequeueBurst(1, pool, burst, burst.capacity) ?? 0) === 0) {
      if (performance.now() - begin > 30_000)
        throw new Error(`no packet within 30 s of: ${program} ${args.join(' ')}`);
      await turn();
    }
    time = performance.now() - begin;
  } finally {
    const exit = once(child, 'exit');
    // Ours ends by itself when its input ends, and keeps then what is to be kept.
    if (env === undefined || time === 0) child.kill('SIGKILL');
    else child.stdin?.end();
    await exit;
    await driver.close();
  }
  return time;
}
