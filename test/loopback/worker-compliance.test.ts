// The suite of ports on a queue pair that was handed to another thread: each case has a thread, a port and a backend of its own.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describePortCompliance } from '@vio/net/testing';
import { EchoBackend } from '@vio/vhost/testing';
import { openVirtioUser } from '@vio/virtio-user';
import { describe, expect, it } from 'vitest';
import type { WorkerCase } from './worker-case.ts';

const program = new URL('../dist/loopback/worker-case.js', import.meta.url);

/** Runs a case in a thread. @returns the thread's exit code */
async function inWorker(name: string, packed: boolean): Promise<number> {
  await using backend = await new EchoBackend().start();
  await using owner = await openVirtioUser({ path: backend.path, packed_vq: packed }, { detached: true });
  const [handle] = owner.handles;
  const worker = new Worker(program, { workerData: { handle, name } satisfies WorkerCase });
  const [code] = (await once(worker, 'exit')) as [number];
  return code;
}

/** The suite's cases, which run where their port is. */
const names: string[] = [];
const notHere = (): never => {
  throw new Error('this thread only asks for the names of the cases');
};
describePortCompliance('', notHere, { describe: (_, body) => body(), it: (name) => names.push(name) });

describe.each([0, 1])('a queue pair of a port with packed_vq=%i, in a worker', (packed) => {
  it.each(names)('%s', async (name) => {
    expect(await inWorker(name, packed === 1)).toBe(0);
  });
});
