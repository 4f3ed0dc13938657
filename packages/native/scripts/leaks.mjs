// Makes and drops one of everything, many times, and ends without process.exit, so that Node runs all finalizers. Run
// with the leak sanitizer by sanitized.mjs: what the addon allocated and nobody freed is a report.
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { EventFd, FdWatcher, SharedMemory, UnixStream, nativeCopyEngine } from '@vio/native';

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
  if (i % 2 === 0) memory.close(); // the others are left to garbage collection
  for (const open of [watcher, event, here, there]) open.close();
}
await sleep(50);
collectGarbage();
await sleep(50);
