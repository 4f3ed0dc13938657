import { openSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { failureOf, openFds, scratchDirectory } from '@vio/test-support';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EventFd } from './event-fd.ts';
import { EventWatcher, FdWatcher, type Readiness, watchDuplicate } from './fd-watcher.ts';
import { closeFd } from './fd.ts';
import { runChild } from '../test-support/child.ts';
import { UnixStream } from '../sockets/unix-stream.ts';

const directory = scratchDirectory();

/** The first thing a watcher says about an fd. */
function firstEvent(fd: number, events: ConstructorParameters<typeof FdWatcher>[1]): Promise<Readiness> {
  return new Promise((resolve) => {
    const watcher = new FdWatcher(fd, events, (ready) => {
      watcher.close();
      resolve(ready);
    });
  });
}

/** Lets the event loop poll a few times. */
async function polls(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => {
      setTimeout(resolve, 1);
    });
  }
}

describe.each(['loop', 'thread'])('by the %s', (engine) => {
  beforeAll(() => {
    process.env['VIO_FD_WATCHER'] = engine;
  });
  afterAll(() => {
    delete process.env['VIO_FD_WATCHER'];
  });

  describe('a watcher', () => {
    it('tells when there is something to read', async () => {
      using event = EventFd.create();
      const ready = firstEvent(event.fd, { readable: true });
      event.signal();
      expect(await ready).toEqual({ readable: true, writable: false, hangup: false });
    });

    it('tells when there is room to write', async () => {
      using event = EventFd.create();
      const ready = await firstEvent(event.fd, { writable: true });
      expect(ready).toEqual({ readable: false, writable: true, hangup: false });
    });

    it('tells when the peer has gone, whatever it watches for', async () => {
      const [here, there] = UnixStream.pair();
      const ready = firstEvent(here.fd, {});
      there.close();
      expect((await ready).hangup).toBe(true);
      here.close();
    });

    it('tells again while nobody reads', async () => {
      using event = EventFd.create();
      event.signal();
      await new Promise<void>((resolve) => {
        let calls = 0;
        const watcher = new FdWatcher(event.fd, { readable: true }, () => {
          if (++calls < 3) return;
          watcher.close();
          resolve();
        });
      });
      expect(event.drain()).toBe(true);
    });

    it('says no more once it was closed in its own callback', async () => {
      using event = EventFd.create();
      event.signal();
      let calls = 0;
      const watcher = new FdWatcher(event.fd, { readable: true }, () => {
        calls++;
        watcher.close();
      });
      await polls();
      expect(calls).toBe(1);
    });

    it('says nothing when it is closed before the event loop polls', async () => {
      using event = EventFd.create();
      event.signal();
      let calls = 0;
      const watcher = new FdWatcher(event.fd, { readable: true }, () => calls++);
      watcher.close();
      watcher.close();
      await polls();
      expect(calls).toBe(0);
    });

    it('leaves its fd open when it closes', () => {
      using event = EventFd.create();
      new FdWatcher(event.fd, { readable: true }, () => {}).close();
      event.signal();
      expect(event.drain()).toBe(true);
    });

    it('outlives the close of its fd, and the number can be watched anew', async () => {
      const gone = EventFd.create();
      const number = gone.fd;
      const stale = new FdWatcher(number, { readable: true }, () => {});
      gone.close();
      stale.close();
      using event = EventFd.create();
      event.signal();
      expect([event.fd, (await firstEvent(number, { readable: true })).readable]).toEqual([number, true]);
    });
  });

  describe('an event watcher', () => {
    /** Calls of the callback, whether the event was still signalled at the first, and whether it is in the end. */
    async function seen(late: boolean, drain: boolean): Promise<unknown[]> {
      using event = EventFd.create();
      const calls: boolean[] = [];
      const told = new Promise<void>((resolve) => {
        const watcher = new EventWatcher(event, (signalled) => {
          calls.push(signalled);
          if (drain) calls.push(event.drain());
          if (!drain && calls.length === 1 && watcher.late) return;
          watcher.close();
          resolve();
        });
        watcher.ref();
        watcher.late = late;
        event.signal();
      });
      await told;
      return [...calls, event.drain()];
    }

    it('drains the event before it tells', async () => {
      expect(await seen(false, true)).toEqual([true, false, false]);
    });

    it('leaves an eventfd to the callback when it is late, which only the event loop is', async () => {
      expect(await seen(true, true)).toEqual([true, engine === 'loop', false]);
    });

    it('tells again what the callback has left', async () => {
      expect(await seen(true, false)).toEqual(engine === 'loop' ? [true, true, true] : [true, false]);
    });

    it('is never late for what is no eventfd', () => {
      const [here, there] = UnixStream.pair();
      using event = EventFd.adopt(here.fd);
      using watcher = new EventWatcher(event, () => {});
      watcher.late = true;
      there.close();
      expect(watcher.late).toBe(false);
    });
  });

  describe('what cannot be watched', () => {
    it('is an fd that is not open', () => {
      expect(failureOf(() => new FdWatcher(-1, { readable: true }, () => {})).code).toBe('VIO_SYS_EBADF');
    });

    it('is a file, which is always ready', () => {
      const fd = openSync(join(directory, 'file'), 'w');
      expect(failureOf(() => new FdWatcher(fd, { readable: true }, () => {})).code).toBe('VIO_SYS_EPERM');
      closeFd(fd);
    });

    it('is an fd that this thread watches already', () => {
      using event = EventFd.create();
      using watcher = new FdWatcher(event.fd, { readable: true }, () => {});
      expect(failureOf(() => new FdWatcher(event.fd, { readable: true }, () => {})).code).toBe(
        'VIO_SYS_EEXIST',
      );
      watcher.ref();
    });

    it('leaves no duplicate behind', () => {
      const fd = openSync(join(directory, 'duplicate'), 'w');
      const before = openFds();
      failureOf(() => watchDuplicate(fd, { readable: true }, () => {}));
      expect(openFds()).toBe(before);
      closeFd(fd);
    });
  });

  const watching = `
  const event = native.EventFd.create();
  const watcher = new native.FdWatcher(event.fd, { readable: true }, () => { print('woken'); watcher.close(); });`;

  describe('the life of the process', () => {
    it('is kept by a watcher', async () => {
      const { stdout, end } = await runChild(`${watching} setTimeout(() => event.signal(), 20).unref();`);
      expect([stdout, end]).toEqual(['"woken"\n', 0]);
    });

    it('is not kept by a watcher without reference', async () => {
      const { stdout, end } = await runChild(`${watching} watcher.unref();`);
      expect([stdout, end]).toEqual(['', 0]);
    });

    it('is kept again when the reference is taken again', async () => {
      const { stdout } = await runChild(`${watching} watcher.unref(); watcher.ref();
      setTimeout(() => event.signal(), 20).unref();`);
      expect(stdout).toBe('"woken"\n');
    });

    it('is ended by an exception of a callback, as of any callback', async () => {
      const { stderr, end } = await runChild(`const event = native.EventFd.create(); event.signal();
      new native.FdWatcher(event.fd, { readable: true }, () => { throw new Error('from the callback'); });`);
      expect([end, stderr]).toEqual([1, expect.stringContaining('from the callback')]);
    });
  });

  describe('a worker thread with open watchers', () => {
    const body = (then: string): string => `
    import(${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)}).then(({ EventFd, FdWatcher }) => {
      const event = EventFd.create();
      globalThis.watcher = new FdWatcher(event.fd, { readable: true }, () => {});
      require('node:worker_threads').parentPort.postMessage('watching');
      ${then}
    })`;

    it.each([
      ['terminated', ''],
      ['exiting', 'process.exit(7)'],
      ['exiting right after a close', 'globalThis.watcher.close(); process.exit(7)'],
    ])('may end by being %s', async (_how, then) => {
      const worker = new Worker(body(then), { eval: true });
      const ended = new Promise<number>((resolve) => {
        worker.once('exit', resolve);
      });
      await new Promise((resolve) => {
        worker.once('message', resolve);
      });
      if (then === '') await worker.terminate();
      expect(await ended).toBe(then === '' ? 1 : 7);
    });
  });
});
