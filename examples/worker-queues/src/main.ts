// A port whose queue pairs are each polled by a worker thread of its own. The backend, in a process of its own,
// sends every frame back on the queue pair it came from. Arguments: queue pairs, seconds.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { openVirtioUser } from '@vio/virtio-user';
import type { WorkerReport, WorkerTask } from './messages.js';

const queues = Number(process.argv[2] ?? 2);
const seconds = Number(process.argv[3] ?? 1);
if (!(Number.isInteger(queues) && queues > 0 && seconds > 0)) {
  console.error('usage: node dist/main.js [QUEUE-PAIRS [SECONDS]]');
  process.exit(2);
}
const sibling = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

const directory = await mkdtemp(join(tmpdir(), 'vio-worker-queues-'));
const socket = join(directory, 'vhost.sock');
const backend = fork(sibling('./backend.js'), [socket]);
try {
  await once(backend, 'message');
  await using port = await openVirtioUser(`net_virtio_user0,path=${socket},queues=${queues}`, {
    detached: true,
  });
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const workers = port.handles.map(
    (handle) => new Worker(sibling('./worker.js'), { workerData: { handle, stop } satisfies WorkerTask }),
  );
  await Promise.all(workers.map((worker) => once(worker, 'message'))); // all of them are running
  const reports = workers.map((worker) => once(worker, 'message') as Promise<[WorkerReport]>);
  await setTimeout(seconds * 1000);
  Atomics.store(stop, 0, 1);
  for (const [{ pair, sent, received, strangers }] of await Promise.all(reports)) {
    console.log(`queue pair ${pair}: sent ${sent}, received ${received}, of other queue pairs ${strangers}`);
  }
} finally {
  backend.kill();
  await rm(directory, { recursive: true, force: true });
}
