// One case of the suite of ports, in a thread that was handed a queue pair: what goes wrong ends the thread with an error.
import { workerData } from 'node:worker_threads';
import { type QueuePairHandle, WorkerPort } from '@vio/net';
import { describePortCompliance } from '@vio/net/testing';

/** What the thread is told. */
export interface WorkerCase {
  readonly handle: QueuePairHandle;
  /** The name of the case. */
  readonly name: string;
}

const { handle, name } = workerData as WorkerCase;
const cases = new Map<string, () => Promise<void>>();
describePortCompliance(
  'a queue pair in a worker',
  () => {
    const port = WorkerPort.open(handle);
    return { port, close: () => port.close() };
  },
  { describe: (_, body) => body(), it: (its, body) => cases.set(its, body) },
);
const body = cases.get(name);
if (body === undefined) throw new Error(`there is no case '${name}'`);
// An idle port does not keep a thread alive.
const alive = setInterval(() => {}, 1000);
await body();
clearInterval(alive);
