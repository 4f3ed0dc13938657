// Makes and drops one of everything, many times, and ends without process.exit, so that Node runs all finalizers. Run
// with the leak sanitizer by sanitized.mjs: what the addon allocated and nobody freed is a report.
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { EventFd, FdWatcher, SharedMemory, UnixStream } from '@vio/native';
import {
  createDriverKernel,
  driverJob,
  driverJobWords,
  nativeCopyEngine,
  queueCounterWords,
} from '@vio/native/internal';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

function refused(call) {
  try {
    call();
  } catch {
    return;
  }
  throw new Error('was to fail');
}

/** A kernel of a packed ring of eight, with a burst bound to it and another in its place. */
function useKernel(memory) {
  const size = 8;
  const words = () => new Int32Array(size);
  const job = new Int32Array(driverJobWords);
  Object.assign(job, { [driverJob.packed]: 1, [driverJob.size]: size, [driverJob.header]: 12 });
  job[driverJob.driverArea] = size * 16;
  job[driverJob.deviceArea] = size * 16 + 64;
  job[driverJob.batchId] = -1;
  const notes = {
    ids: new Uint16Array(size),
    token: words(),
    followers: new Uint16Array(size),
    links: undefined,
  };
  const pool = { stack: words(), next: words(), dataOffset: words(), dataLength: words() };
  const counters = new Float64Array(queueCounterWords);
  const parts = {
    job,
    memory: new Uint8Array(memory.buffer),
    counters,
    exposed: undefined,
    ...notes,
    ...pool,
  };
  const kernel = createDriverKernel(parts);
  for (let i = 0; i < 2; i++) {
    const burst = {
      buffer: words(),
      offset: words(),
      length: words(),
      segments: words(),
      offloads: undefined,
    };
    kernel.bind(0, burst);
  }
  kernel.receive();
  refused(() => createDriverKernel({ ...parts, memory: new Uint8Array(16) }));
}

for (let i = 0; i < 100; i++) {
  const memory = SharedMemory.create({ size: 4096 });
  const event = EventFd.create();
  const watcher = new FdWatcher(event.fd, { readable: true }, () => {});
  refused(() => new FdWatcher(event.fd, { readable: true }, () => {}));
  refused(() => SharedMemory.map(memory.fd, { offset: 1, size: 1 }));
  const engine = nativeCopyEngine();
  engine.register(memory.buffer);
  const [here, there] = UnixStream.pair();
  await here.send(new Uint8Array(1), [memory.fd]);
  there.receive(new Uint8Array(1)).fds.forEach((fd) => EventFd.adopt(fd).close());
  useKernel(memory);
  if (i % 2 === 0) memory.close(); // the others are left to garbage collection
  for (const open of [watcher, event, here, there]) open.close();
}
await sleep(50);
collectGarbage();
await sleep(50);
