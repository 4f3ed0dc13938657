import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { SharedMemory } from '@vio/native';
import { collectGarbage } from '@vio/test-support';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PacketBurst } from '../packet-burst.ts';
import { Wire, frameOf, rings } from '../test-support/wire.ts';
import { readFrames, writeFrames } from '../testing/frames.ts';

// Run with the address sanitizer as well (packages/native/scripts/sanitized.mjs): what a kernel holds may not be gone.

/** Receives a frame into a burst that nobody has but the kernel. */
function receiveOnce(wire: Wire, seed: number): Uint8Array[] {
  const burst = new PacketBurst(32);
  wire.deliver(frameOf(60, seed));
  wire.rx.receive(burst);
  const frames = readFrames(burst);
  burst.release();
  return frames;
}

/** A thread runs no TypeScript, and what only tests need is not in the build. Here other packages are found from. */
const scratch = mkdtempSync(join(import.meta.dirname, '../../node_modules/.kernel-life-'));
const program = join(scratch, 'wire.mjs');

beforeAll(async () => {
  const contents = `export { Wire, frameOf } from './test-support/wire.ts'; export { PacketBurst } from './packet-burst.ts';`;
  await build({
    stdin: { contents, resolveDir: join(import.meta.dirname, '..') },
    outfile: program,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
  });
});
afterAll(() => rmSync(scratch, { recursive: true }));

/** Moves packets over a wire of its own until it is told to end, or for good. */
const worker = `
  const { parentPort, workerData } = require('node:worker_threads');
  (async () => {
    const { PacketBurst, Wire, frameOf } = await import(workerData.program);
    const wire = Wire.one({ features: workerData.features, native: true });
    wire.rx.fill();
    const burst = new PacketBurst(8);
    const round = () => {
      wire.deliver(frameOf(60));
      wire.rx.receive(burst);
      wire.tx.send(burst);
      wire.take();
      wire.tx.reap();
    };
    for (let i = 0; i < 100; i++) round();
    parentPort.postMessage(wire.tx.stats.get('good_packets'));
    while (workerData.forever) round();
    wire.rxCall.close();
  })();
`;

describe.each(rings)('kernels of a $ring ring', ({ features }) => {
  it('hold the bursts that are bound to them, dropped by everybody else', () => {
    const wire = Wire.one({ features, native: true });
    wire.rx.fill();
    for (let round = 0; round < 30; round++) {
      expect(receiveOnce(wire, round)).toEqual([frameOf(60, round)]);
      if (round % 10 === 9) collectGarbage();
    }
  });

  it('hold pool and notes of a queue pair that nobody else has', () => {
    const bursts = Array.from({ length: 20 }, () => new PacketBurst(8));
    for (const burst of bursts) {
      const wire = Wire.one({ features, native: true });
      wire.rx.fill();
      wire.deliver(frameOf(60));
      wire.rx.receive(burst);
      wire.tx.send(burst);
      wire.rxCall.close();
    }
    collectGarbage();
    expect(bursts.every(({ length }) => length[0] === 60)).toBe(true);
  });

  it('find nothing, and harm nobody, when the memory is closed under them', () => {
    let memory: SharedMemory | undefined;
    const wire = Wire.one({
      features,
      native: true,
      memory(size) {
        memory = SharedMemory.create({ size });
        return memory.buffer;
      },
    });
    wire.rx.fill();
    const burst = new PacketBurst(8);
    writeFrames(wire.pool, burst, [frameOf(60), frameOf(600, 2)]);
    wire.tx.send(burst);
    wire.deliver(frameOf(60));
    memory?.close();
    collectGarbage();
    const received = new PacketBurst(8);
    for (let i = 0; i < 3; i++) {
      wire.rx.receive(received);
      wire.tx.send(received);
      wire.tx.reap();
      received.count = 0;
    }
    wire.rx.reclaim();
    wire.tx.reclaim();
    expect(wire.pool.free).toBeLessThanOrEqual(wire.pool.count);
  });

  it.each([
    ['ends', false],
    ['is terminated in the middle of it', true],
  ])('go with the worker thread that has them when it %s', async (_how, forever) => {
    const workerData = { program: pathToFileURL(program).href, features, forever };
    const thread = new Worker(worker, { eval: true, execArgv: [], workerData });
    const exited = once(thread, 'exit');
    const [moved] = (await once(thread, 'message')) as [number];
    if (forever) await thread.terminate();
    await exited;
    expect(moved).toBe(100);
  });
});
