// From the start of a process to its first packet at the backend, which is ours for both.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PacketBurst } from '@vio/net';
import { privatePool } from '@vio/rings/testing';
import { preflight, testpmdProgram } from '@vio/test/preflight';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { median } from '../statistics.ts';

export const firstPacketScript = fileURLToPath(new URL('../own/send-one.js', import.meta.url));

/**
 * @param command makes the command line of a frontend that sends by itself
 * @returns milliseconds
 */
export async function timeToFirstPacket(command: (socket: string) => readonly string[]): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'vio-first-'));
  const socket = join(directory, 'vhost.sock');
  const pool = privatePool();
  const burst = new PacketBurst(32);
  const driver = VhostDriver.register(socket);
  const devices: VhostDevice[] = [];
  driver.callbacks({ newDevice: (device) => devices.push(device) });
  await driver.start();
  const [program, ...args] = command(socket);
  const begin = performance.now();
  const child: ChildProcess = spawn(program, args, { stdio: ['pipe', 'ignore', 'ignore'] });
  try {
    while ((devices[0]?.dequeueBurst(1, pool, burst, burst.capacity) ?? 0) === 0) {
      if (performance.now() - begin > 30_000)
        throw new Error(`no packet within 30 s of: ${program} ${args.join(' ')}`);
      await turn();
    }
    return performance.now() - begin;
  } finally {
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
    await driver.close();
    rmSync(directory, { recursive: true });
  }
}

export interface FirstPacket {
  /** Milliseconds. */
  readonly median: number;
  readonly best: number;
  readonly command: string;
}

export function ourFirstPacket(times: number): Promise<FirstPacket> {
  return repeat(times, (socket) => [process.execPath, firstPacketScript, socket]);
}

/** DPDK with as little memory as it starts with: zeroing hugepages is most of its time. */
export function dpdkFirstPacket(times: number): Promise<FirstPacket> {
  preflight(leanMegabytes);
  return repeat(times, (socket) => [
    testpmdProgram,
    '--lcores=0@0,1@1',
    '--no-pci',
    '--in-memory',
    '--no-telemetry',
    '--single-file-segments',
    '-m',
    String(leanMegabytes),
    `--vdev=net_virtio_user0,path=${socket}`,
    '--',
    '--forward-mode=txonly',
    '--nb-cores=1',
    '--total-num-mbufs=2048',
    '--auto-start',
  ]);
}

const leanMegabytes = 32;

async function repeat(times: number, command: (socket: string) => readonly string[]): Promise<FirstPacket> {
  const measured: number[] = [];
  for (let i = 0; i < times; i++) measured.push(await timeToFirstPacket(command));
  const words = command('SOCKET').map((word) =>
    word === firstPacketScript ? 'bench/dist/own/send-one.js' : word,
  );
  return {
    median: median(measured),
    best: Math.min(...measured),
    command: words.join(' ').replace(process.execPath, 'node'),
  };
}
