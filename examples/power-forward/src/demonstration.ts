// The backend, in a process of its own, is silent and busy by turns; what the forwarder costs meanwhile.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openVirtioUser } from '@vio/virtio-user';
import { type LoopCounts, newCounts, runLoop } from './loop.js';

/** A turn's beginning does not count: until frames flow, or what was under way has arrived and the loop sleeps. */
async function settled(busy: boolean, counts: LoopCounts): Promise<void> {
  let calm: boolean;
  do {
    const before = counts.frames;
    await setTimeout(50);
    const moving = counts.frames !== before;
    calm = busy ? moving : !moving && counts.asleep;
  } while (!calm);
}

/** @param seconds of each turn */
export async function demonstrate(seconds: number): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'vio-power-'));
  const socket = join(directory, 'vhost.sock');
  const backend = fork(fileURLToPath(new URL('./backend.js', import.meta.url)), [socket]);
  const stop = new AbortController();
  try {
    await once(backend, 'message');
    await using port = await openVirtioUser(`net_virtio_user0,path=${socket}`);
    const counts = newCounts();
    const forwarding = runLoop([{ from: port, to: port, queue: 0 }], false, counts, stop.signal);
    for (const busy of [false, true, false, true]) {
      backend.send({ busy });
      await once(backend, 'message');
      await settled(busy, counts);
      const before = { ...counts };
      const cpu = process.cpuUsage();
      await setTimeout(seconds * 1000);
      const { user, system } = process.cpuUsage(cpu);
      const share = (user + system) / (seconds * 1e4);
      const frames = counts.frames - before.frames;
      console.log(
        `${busy ? 'busy' : 'idle'}: ${share.toFixed(1)} % of a CPU, ${frames} frames, ` +
          `${counts.polls - before.polls} polls`,
      );
    }
    stop.abort();
    await forwarding;
  } finally {
    backend.kill();
    await rm(directory, { recursive: true, force: true });
  }
}
