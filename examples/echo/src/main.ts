// A backend in a process of its own, a virtio-user port in this one, and real frames between them.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { featureNames } from '@vio/net';
import { openVirtioUser } from '@vio/virtio-user';
import { contention, watchCpu } from './contention.ts';
import { drain, measureLatency, measureThroughput, percentile } from './measure.ts';

const seconds = Number(process.argv[2] ?? 0.3);
if (!(seconds > 0)) {
  console.error('usage: node dist/main.js [SECONDS]');
  process.exit(2);
}
const directory = await mkdtemp(join(tmpdir(), 'vio-echo-'));
const socket = join(directory, 'vhost.sock');

async function startBackend(): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL('./backend.js', import.meta.url)), [socket]);
  await once(child, 'message');
  return child;
}

const backend = await startBackend();
try {
  await using port = await openVirtioUser(`net_virtio_user0,path=${socket}`);
  console.log(`features: ${featureNames(port.features).join(' ')}`);
  for (const [direction, choice] of Object.entries(port.paths)) {
    console.log(`${direction}: ${choice.path} (${choice.callback}), because ${choice.reason}`);
    for (const refusal of choice.refused) console.log(`    not ${refusal.path}: ${refusal.reason}`);
  }

  await measureThroughput(port, 150); // the just-in-time compiler warms up
  const cpuShares = watchCpu(Number(backend.pid));
  const { sent, received, txPps, rxPps } = await measureThroughput(port, seconds * 1000);
  const shares = cpuShares();
  await drain(port, 20);
  console.log(`sent     ${sent} frames of 64 bytes on the wire: ${(txPps / 1e6).toFixed(2)} Mpps`);
  console.log(`received ${received} frames back: ${(rxPps / 1e6).toFixed(2)} Mpps`);

  const times = measureLatency(port, 20_000, seconds * 1000);
  const parts = [50, 90, 99, 99.9].map((p) => `p${p} ${percentile(times, p).toFixed(2)} us`);
  console.log(`round trip of one frame: ${parts.join(', ')}`);

  const crossed = (sent + received + 2 * times.length).toLocaleString('en');
  console.log(
    `\nSeen: two processes, one memory, one Unix socket to agree; ${crossed} frames crossed without a system call.`,
  );
  const why = contention(shares);
  if (why !== undefined) console.log(why);
} finally {
  backend.kill();
  await rm(directory, { recursive: true, force: true });
}
