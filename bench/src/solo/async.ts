// What a frame costs the thread that switches when an engine copies it, beside what it costs when that thread does, turn about; and
// what it costs DPDK's backend, which copies itself.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PacketBurst } from '@vio/net';
import { BufferPool, Region, poolStride } from '@vio/rings';
import { median } from '@vio/test/median';
import { Testpmd, jumboArguments, netVhost, netVirtioUser } from '@vio/test/testpmd';
import { CopyThread, type VhostDevice, dmaConfigure, dmaUnconfigure } from '@vio/vhost';
import { openVirtioUser } from '@vio/virtio-user';
import type { Cpus } from '../compare.ts';
import { portLoops } from '../own/loops.ts';
import { writeHeaders } from '../own/template.ts';
import { pairOf } from './pair.ts';

/** Nanoseconds per frame of the thread that switches, medians of turns; what it costs with an engine, of what it costs without: median of neighbours. */
export interface AsyncShare {
  readonly alone: number;
  readonly engine: number;
  readonly ratio: number;
}

export interface AsyncCost {
  readonly enqueue: AsyncShare;
  readonly dequeue: AsyncShare;
}

/** Where frames lie when they are copied: still in a core's cache, or beyond it, as in a switch with many ports. */
export type Frames = 'cached' | 'beyond the caches';

/** One row. */
export interface AsyncResult {
  /** Bytes of a frame. */
  readonly length: number;
  readonly frames: Frames;
  readonly cost: AsyncCost;
  /** Nanoseconds per frame; undefined: not measured. */
  readonly dpdk: number | undefined;
}

const burstSize = 32;
const turnsPerSample = 300;
const warmUpSamples = 3;
const dataRoom = 9216;
/** Descriptors of the driver's rings, buffers of the backend's pool, and bursts of them that somebody else holds: the oldest come back. */
const sizes = {
  cached: { queueSize: 256, buffers: 256, held: 0 },
  'beyond the caches': { queueSize: 1024, buffers: 4096, held: 120 },
} as const;
/** Most that testpmd puts into one of its buffers. */
const pieceBytes = 2000;

/** One turn of either kind. @returns nanoseconds of this thread, and frames */
type Turn = () => readonly [nanoseconds: number, frames: number];

/** @param length bytes of a frame @param samples of 300 turns each, of either kind */
export async function asyncCost(length: number, frames: Frames, samples: number): Promise<AsyncCost> {
  const { queueSize, buffers, held } = sizes[frames];
  const devargs = `queues=1,mrg_rxbuf=1,in_order=0,queue_size=${queueSize}`;
  // It never sleeps: to wake it is a system call that a busy switch does not make.
  const engine = CopyThread.create({ spin: 1e9 });
  dmaConfigure(engine);
  await using pair = await pairOf((socket) => openVirtioUser(`net_virtio_user0,path=${socket},${devargs}`), {
    asyncCopy: true,
  });
  const { port, device } = pair;
  const region = new Region(new ArrayBuffer(buffers * poolStride(dataRoom, 128)));
  const pool = new BufferPool({ region, offset: 0, count: buffers, dataRoom });
  const used = new HeldBursts(pool, held);
  spreadOut(port.pool, length);
  const receive = portLoops.rxonly(port, length);
  const send = portLoops.txonly(port, length);
  const enqueue = await compareTurns(
    samples,
    device,
    0,
    engine,
    enqueueTurns(device, pool, used, length, engine, receive),
  );
  const dequeue = await compareTurns(
    samples,
    device,
    1,
    engine,
    dequeueTurns(device, pool, used, engine, send),
  );
  dmaUnconfigure(engine);
  return { enqueue, dequeue };
}

/** Leaves a port only such of its free buffers as have room for a whole frame, in what was the memory of the ones behind them. */
function spreadOut(pool: BufferPool, length: number): void {
  const pieces = Math.ceil((length + pool.headroom) / pool.stride);
  const free = new Int32Array(pool.free);
  pool.alloc(free, 0, free.length);
  free.sort();
  for (let i = 0; i + pieces <= free.length;)
    if (free[i + pieces - 1] === free[i] + pieces - 1) {
      pool.release(free, i, 1);
      i += pieces;
    } else i++;
}

/** Buffers that are done with, as others hold them for a while: the pool gives out those that were used longest ago. */
class HeldBursts {
  readonly #pool: BufferPool;
  readonly #bursts: { readonly buffers: Int32Array; count: number }[];
  #next = 0;

  constructor(pool: BufferPool, bursts: number) {
    this.#pool = pool;
    this.#bursts = Array.from({ length: bursts }, () => ({ buffers: new Int32Array(burstSize), count: 0 }));
  }

  /** Takes the buffers of a burst, and gives those of the oldest one back. */
  release(burst: PacketBurst): void {
    const { count, buffer } = burst;
    if (this.#bursts.length === 0 || count === 0) return burst.release();
    const oldest = this.#bursts[this.#next];
    this.#pool.release(oldest.buffers, 0, oldest.count);
    for (let i = 0; i < count; i++) oldest.buffers[i] = buffer[i];
    oldest.count = count;
    this.#next = (this.#next + 1) % this.#bursts.length;
    burst.count = 0;
  }
}

async function compareTurns(
  samples: number,
  device: VhostDevice,
  queue: number,
  engine: CopyThread,
  turns: { readonly alone: Turn; readonly engine: Turn },
): Promise<AsyncShare> {
  const seen: Record<'alone' | 'engine', number[]> = { alone: [], engine: [] };
  for (let i = 0; i < samples + warmUpSamples; i++) {
    for (const kind of ['alone', 'engine'] as const) {
      if (kind === 'engine') device.asyncChannelRegister(queue, { engine, inOrder: true });
      const costs: number[] = [];
      for (let turn = 0; turn < turnsPerSample; turn++) {
        const [time, moved] = turns[kind]();
        if (moved > 0) costs.push(time / moved);
      }
      if (kind === 'engine') {
        const rest = new PacketBurst(burstSize);
        while (device.clearQueue(queue, rest) > 0) rest.release();
        device.asyncChannelUnregister(queue);
      }
      if (i >= warmUpSamples) seen[kind].push(median(costs));
    }
    await sleep(0);
  }
  const ratio = median(seen.engine.map((cost, i) => cost / seen.alone[i]));
  return { alone: median(seen.alone), engine: median(seen.engine), ratio };
}

/** The time that the engine takes is nobody's: the thread would switch other frames meanwhile. */
function enqueueTurns(
  device: VhostDevice,
  pool: BufferPool,
  used: HeldBursts,
  length: number,
  engine: CopyThread,
  receive: (polls: number) => number,
): { alone: Turn; engine: Turn } {
  const burst = new PacketBurst(burstSize);
  const reported = new PacketBurst(burstSize);
  const generate = (): void => {
    const count = burst.allocate(pool, burstSize, length);
    for (let i = 0; i < count; i++) writeHeaders(pool.region.i32, burst.offset[i]);
  };
  return {
    alone: () => {
      generate();
      const begin = performance.now();
      const frames = device.enqueueBurst(0, burst);
      const time = performance.now() - begin;
      used.release(burst);
      receive(2);
      return [time * 1e6, frames];
    },
    engine: () => {
      generate();
      const begin = performance.now();
      const frames = device.submitEnqueueBurst(0, burst);
      const between = performance.now();
      engine.quiesce();
      const again = performance.now();
      const arrived = device.pollEnqueueCompleted(0, reported);
      const time = performance.now() - again + (between - begin);
      if (arrived !== frames) throw new Error(`${frames} frames were submitted, and ${arrived} have arrived`);
      burst.release(frames);
      used.release(reported);
      receive(2);
      return [time * 1e6, frames];
    },
  };
}

function dequeueTurns(
  device: VhostDevice,
  pool: BufferPool,
  used: HeldBursts,
  engine: CopyThread,
  send: (polls: number) => number,
): { alone: Turn; engine: Turn } {
  const burst = new PacketBurst(burstSize);
  return {
    alone: () => {
      send(1);
      const begin = performance.now();
      const frames = device.dequeueBurst(1, pool, burst);
      const time = performance.now() - begin;
      used.release(burst);
      return [time * 1e6, frames];
    },
    // A call gives out what was submitted by the one before it, and has arrived since.
    engine: () => {
      send(1);
      const begin = performance.now();
      const frames = device.tryDequeueBurst(1, pool, burst);
      const time = performance.now() - begin;
      used.release(burst);
      engine.quiesce();
      return [time * 1e6, frames];
    },
  };
}

/** What a frame costs DPDK's backend, which copies in its own thread: what it delivers to a testpmd that only receives. */
export async function dpdkBackendCost(length: number, cpus: Cpus, window = 300): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'vio-bench-'));
  const socket = join(directory, 'dpdk.sock');
  const settings = (forwardCpu: number, more: readonly string[] = []) => ({
    promptCpu: cpus.prompt,
    forwardCpu,
    memory: 256,
    extra: ['--port-topology=loop', ...more],
  });
  // Of buffers of 2 KiB, as many as it takes.
  const pieces = Array.from({ length: Math.ceil(length / pieceBytes) }, (_, i) =>
    Math.min(pieceBytes, length - i * pieceBytes),
  );
  const backend = await Testpmd.start({ vdevs: [netVhost(socket, 1)], ...settings(cpus.contender) });
  try {
    const frontend = await Testpmd.start({
      vdevs: [netVirtioUser(socket, 1, 'mrg_rxbuf=1,in_order=0')],
      ...settings(cpus.common, jumboArguments),
    });
    try {
      for (const [testpmd, mode] of [
        [frontend, 'rxonly'],
        [backend, 'txonly'],
      ] as const) {
        await testpmd.run(`set txpkts ${pieces.join(',')}`);
        await testpmd.run(`set fwd ${mode}`);
        await testpmd.run('start');
      }
      await sleep(window);
      const rates: number[] = [];
      for (let i = 0; i < 5; i++) {
        const before = (await frontend.stats(0)).rxPackets;
        const begin = performance.now();
        await sleep(window);
        const after = (await frontend.stats(0)).rxPackets;
        rates.push((after - before) / (performance.now() - begin));
      }
      await backend.stop();
      await frontend.stop();
      return 1e6 / median(rates);
    } finally {
      await frontend.quit();
    }
  } finally {
    await backend.quit();
    rmSync(directory, { recursive: true });
  }
}
