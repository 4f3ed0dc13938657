// Threads share the addon and its table of mappings. Under ThreadSanitizer this is the test that counts.
import { Worker } from 'node:worker_threads';
import { scratchDirectory } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { EventFd } from './fds/event-fd.ts';
import { built } from './test-support/child.ts';

const directory = scratchDirectory();
const threads = 4;

/** Maps, copies, faults and unmaps for some rounds; takes its turns from the thread before, by eventfd. */
const work = `
  const { workerData, parentPort } = require('node:worker_threads');
  const { closeSync, ftruncateSync, openSync } = require('node:fs');
  Promise.all(workerData.built.map((entry) => import(entry))).then(async (entries) => {
    const native = Object.assign({}, ...entries);
    const { EventFd, FdWatcher, SharedMemory, UnixStream, nativeCopyEngine } = native;
    const mine = EventFd.adopt(native.dupFd(workerData.mine));
    const next = EventFd.adopt(native.dupFd(workerData.next));
    let turns = 0;
    const watcher = new FdWatcher(mine.fd, { readable: true }, () => { if (mine.drain()) turns++; next.signal(); });
    const file = openSync(workerData.file, 'w+');
    const engine = nativeCopyEngine();
    const wrong = [];
    for (let round = 0; round < 40; round++) {
      const memory = SharedMemory.create({ size: 65536 });
      const same = SharedMemory.map(memory.fd, { size: 65536 });
      const [from, to] = [engine.register(memory.buffer), engine.register(same.buffer)];
      new Uint8Array(memory.buffer).fill(round + 1, 0, 1500);
      for (let i = 0; i < 16; i++) engine.ops.set([from, 0, to, 2048 * (i + 1), 1500], i * 5);
      if (engine.run(16) !== 16 || new Uint8Array(memory.buffer)[32768] !== round + 1) wrong.push('copy');

      ftruncateSync(file, 8192);
      const mapping = SharedMemory.map(file, { size: 8192 });
      ftruncateSync(file, 0);
      if (new Uint8Array(mapping.buffer)[5000] !== 0 || !mapping.faulted) wrong.push('fault');
      mapping.close();

      const [here, there] = UnixStream.pair();
      await here.send(new Uint8Array(1), [memory.fd]);
      await there.readable();
      for (const fd of there.receive(new Uint8Array(1)).fds) native.closeFd(fd);
      for (const end of [here, there, same, memory]) end.close();
      engine.unregister(from);
      engine.unregister(to);
    }
    while (turns < 5) await new Promise((resolve) => setTimeout(resolve, 1));
    watcher.close();
    mine.close();
    next.close();
    closeSync(file);
    parentPort.postMessage(wrong);
  });`;

describe('threads', () => {
  it('map, copy, fault and wake each other without harm', async () => {
    const events = Array.from({ length: threads }, () => EventFd.create());
    const outcomes = events.map((event, i) => {
      const worker = new Worker(work, {
        eval: true,
        workerData: {
          built,
          mine: event.fd,
          next: events[(i + 1) % threads].fd,
          file: `${directory}/truncated-${i}`,
        },
      });
      return new Promise<unknown>((resolve) => {
        worker.once('message', resolve);
        worker.once('error', resolve);
      });
    });
    events[0].signal();
    expect(await Promise.all(outcomes)).toEqual(events.map(() => []));
    for (const event of events) event.close();
  }, 60_000);
});
