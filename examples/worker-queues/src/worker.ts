// One queue pair, polled by this thread alone: sends frames marked with the pair's number, and counts those that
// come back.
import { parentPort, workerData } from 'node:worker_threads';
import { PacketBurst, WorkerPort } from '@vio/net';
import type { WorkerReport, WorkerTask } from './messages.js';

const { handle, stop } = workerData as WorkerTask;
const port = WorkerPort.open(handle);
const { pool, pair } = port;
const [rx] = port.rx;
const [tx] = port.tx;
const { i32 } = pool.region;
const out = new PacketBurst(32);
const back = new PacketBurst(32);
/** Milliseconds. */
const silence = 50;
let sent = 0;
let received = 0;
let strangers = 0;

function send(): void {
  const count = out.allocate(pool, out.capacity, 60);
  for (let i = 0; i < count; i++) {
    const word = out.offset[i] >>> 2;
    i32[word] = 0x0000_0002; // to 02:00:00:00:00:02
    i32[word + 1] = 0x0002_0200;
    i32[word + 2] = 0x0100_0000; // from 02:00:00:00:00:01
    i32[word + 3] = 0x0000_b588; // EtherType 0x88b5, for experiments
    i32[word + 4] = pair;
  }
  const taken = tx.send(out);
  out.release(taken);
  sent += taken;
}

function receive(): number {
  const count = rx.receive(back);
  for (let i = 0; i < count; i++) if (i32[(back.offset[i] >>> 2) + 4] !== pair) strangers++;
  back.release();
  received += count;
  return count;
}

/** @returns frames received so far */
function poll(): number {
  for (let i = 0; i < 100; i++) {
    send();
    receive();
  }
  return received;
}

while (poll() === 0);
parentPort?.postMessage('running');
while (Atomics.load(stop, 0) === 0) poll();
// What is still on its way: until nothing has come for a while.
for (let last = performance.now(); performance.now() - last < silence;) {
  if (receive() > 0) last = performance.now();
}

parentPort?.postMessage({ pair, sent, received, strangers } satisfies WorkerReport);
port.close();
