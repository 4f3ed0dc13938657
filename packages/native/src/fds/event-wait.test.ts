import { readSync } from 'node:fs';
import { failureOf } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { addon } from '../addon.ts';
import { runChild } from '../test-support/child.ts';
import { UnixStream } from '../sockets/unix-stream.ts';
import { EventFd } from './event-fd.ts';
import { EventWait } from './event-wait.ts';

const made = (count: number): EventFd[] => Array.from({ length: count }, () => EventFd.create());
const closeAll = (events: readonly EventFd[]): void => {
  for (const event of events) event.close();
};

describe('a wait on several events', () => {
  it('ends without one when time is over', () => {
    using event = EventFd.create();
    using wait = new EventWait([event]);
    expect([wait.wait(1), [...wait.signalled]]).toEqual([false, [0]]);
  });

  it('without any event ends when time is over', () => {
    using wait = new EventWait([]);
    expect(wait.wait(1)).toBe(false);
  });

  it('ends at once when one was signalled before it was made, says which, and tells of it once', () => {
    const events = made(200);
    events[150].signal();
    const wait = new EventWait(events);
    const first = [wait.wait(Infinity), wait.signalled.indexOf(1)];
    const second = [wait.wait(0), wait.signalled.indexOf(1)];
    wait.close();
    closeAll(events);
    expect([first, second]).toEqual([
      [true, 150],
      [false, -1],
    ]);
  });

  it('leaves an eventfd signalled for others, until it is taken', () => {
    using event = EventFd.create();
    using wait = new EventWait([event]);
    const drained = [false, true].map((take) => {
      event.signal();
      wait.wait(Infinity);
      if (take) wait.take();
      return event.drain();
    });
    expect(drained).toEqual([true, false]);
  });

  it('takes only what it has told of', () => {
    const events = made(2);
    const wait = new EventWait(events);
    events[0].signal();
    wait.wait(Infinity);
    events[1].signal();
    wait.take();
    const left = events.map((event) => event.drain());
    wait.close();
    closeAll(events);
    expect(left).toEqual([false, true]);
  });

  it('tells of a signal that comes before the one before was taken', () => {
    using event = EventFd.create();
    using wait = new EventWait([event]);
    const seen = [0, 1, 2].map(() => {
      event.signal();
      return wait.wait(0);
    });
    expect([...seen, wait.wait(0)]).toEqual([true, true, true, false]);
  });

  it('takes what it has told of when it is closed', () => {
    using event = EventFd.create();
    const wait = new EventWait([event]);
    event.signal();
    wait.wait(Infinity);
    wait.close();
    expect(event.drain()).toBe(false);
  });

  it('takes what a socket says at once: what comes behind it would be no news', () => {
    const [here, there] = UnixStream.pair();
    using event = EventFd.adopt(here.fd);
    using other = EventFd.adopt(there.fd);
    using wait = new EventWait([event]);
    const seen = [0, 1].map(() => {
      other.signal();
      return [wait.wait(Infinity), event.drain()];
    });
    expect(seen).toEqual([
      [true, false],
      [true, false],
    ]);
  });

  it('ends for a signal after the last wait, again and again', () => {
    const events = made(3);
    const wait = new EventWait(events);
    const seen = [0, 2, 1, 1].map((at) => {
      events[at].signal();
      return [wait.wait(Infinity), wait.signalled.indexOf(1)];
    });
    wait.close();
    closeAll(events);
    expect(seen).toEqual([
      [true, 0],
      [true, 2],
      [true, 1],
      [true, 1],
    ]);
  });

  it('tells of as many as there are, in one call or in more', () => {
    const events = made(40);
    for (const event of events) event.signal();
    const wait = new EventWait(events);
    const told = new Set<number>();
    while (wait.wait(0))
      for (const [at, signalled] of wait.signalled.entries()) if (signalled !== 0) told.add(at);
    wait.close();
    closeAll(events);
    expect(told.size).toBe(40);
  });

  it('ends when the other side of a socket is gone', () => {
    const [here, there] = UnixStream.pair();
    using event = EventFd.adopt(here.fd);
    using wait = new EventWait([event]);
    there.close();
    expect(wait.wait(5000)).toBe(true);
  });

  it('is an error for an event that is closed', () => {
    const event = EventFd.create();
    event.close();
    expect(failureOf(() => new EventWait([event])).code).toBe('VIO_SYS_EBADF');
  });

  it('is over once it is closed, twice as well', () => {
    using event = EventFd.create();
    const wait = new EventWait([event]);
    event.signal();
    wait.close();
    wait.close();
    expect(wait.wait(Infinity)).toBe(false);
  });

  it('does not keep a thread from being terminated', async () => {
    const { stdout } = await runChild(`
      const thread = startWorker(
        "parentPort.postMessage(0); new native.EventWait([native.EventFd.create()]).wait(Infinity);",
      );
      await new Promise((resolve) => thread.once('message', resolve));
      print(await thread.terminate());
    `);
    expect(stdout).toBe('1\n');
  });

  it('does not keep threads that are terminated while it is made', async () => {
    const { stdout, end } = await runChild(`
      const ended = [];
      for (let i = 0; i < 40; i++) {
        const thread = startWorker(
          "parentPort.postMessage(0); new native.EventWait([native.EventFd.create()]).wait(Infinity);",
        );
        await new Promise((resolve) => thread.once('message', resolve));
        for (let turns = 0; turns < i * 1000; turns++) Math.sqrt(turns);
        ended.push(await thread.terminate());
      }
      print(ended.length);
    `);
    expect([end, stdout]).toEqual([0, '40\n']);
  });
});

describe('a wait of one who is alone with an eventfd', () => {
  it('takes each signal, and leaves nothing to the waits that follow', () => {
    using event = EventFd.create();
    using wait = new EventWait([event]);
    const seen = [0, 1, 2].map(() => {
      event.signal();
      event.signal();
      return [wait.waitAlone(), wait.signalled[0], event.drain(), wait.wait(0)];
    });
    expect(seen).toEqual(Array.from({ length: 3 }, () => [true, 1, false, false]));
  });

  it('takes a signal that a wait before has told of, but not taken', () => {
    using event = EventFd.create();
    using wait = new EventWait([event]);
    event.signal();
    expect([wait.wait(0), wait.waitAlone(), event.drain()]).toEqual([true, true, false]);
  });

  it('goes on where the peer says that no read blocks', () => {
    using event = EventFd.create();
    using wait = new EventWait([event]);
    const seen = [0, 1].map(() => {
      event.signal();
      const told = wait.waitAlone();
      wait.take();
      addon.setNonBlocking(event.fd);
      return [told, event.drain()];
    });
    expect(seen).toEqual([
      [true, false],
      [true, false],
    ]);
  });

  it('leaves an eventfd whose reads do not block when it is closed', () => {
    using event = EventFd.create();
    const wait = new EventWait([event]);
    event.signal();
    wait.waitAlone();
    wait.close();
    expect(() => readSync(event.fd, new Uint8Array(8))).toThrow(expect.objectContaining({ code: 'EAGAIN' }));
  });

  it('is as any other for several events, and for a socket', () => {
    const events = made(2);
    const [here, there] = UnixStream.pair();
    using event = EventFd.adopt(here.fd);
    using other = EventFd.adopt(there.fd);
    using several = new EventWait(events);
    using socket = new EventWait([event]);
    events[1].signal();
    other.signal();
    const told = [several.waitAlone(), several.signalled.indexOf(1), socket.waitAlone(), event.drain()];
    several.close();
    closeAll(events);
    expect(told).toEqual([true, 1, true, false]);
  });

  it('is over once it is closed', () => {
    using event = EventFd.create();
    const wait = new EventWait([event]);
    wait.close();
    expect(wait.waitAlone()).toBe(false);
  });

  it('ends when another thread signals, and does not keep a thread from being terminated', async () => {
    const { stdout } = await runChild(`
      const [here, there] = [0, 1].map(() => native.EventFd.create());
      const wait = new native.EventWait([here]);
      const echo = startWorker(
        "const [there, here] = workerData.map((fd) => native.EventFd.adopt(native.dupFd(fd)));" +
        "const wait = new native.EventWait([there]); parentPort.postMessage(0); for (;;) { wait.waitAlone(); wait.take(); here.signal(); }",
        [there.fd, here.fd],
      );
      await new Promise((resolve) => echo.once('message', resolve));
      let times = 0;
      for (; times < 5000; times++) { there.signal(); wait.waitAlone(); }
      print([times, await echo.terminate()]);
    `);
    expect(stdout).toBe('[5000,1]\n');
  });
});
