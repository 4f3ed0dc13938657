import { execFileSync } from 'node:child_process';
import { constants, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EventFd } from './event-fd.ts';
import { dupFd } from './fd.ts';
import { waitReadable } from './limits.ts';
import { failureOf } from './testing/failure.ts';
import { fdFlags, openFds } from './testing/process-state.ts';
import { scratchDirectory } from './testing/scratch.ts';

const directory = scratchDirectory();
const closeOnExec = 0o2000000;

describe('an eventfd', () => {
  it('is quiet at first', () => {
    using event = EventFd.create();
    expect(event.drain()).toBe(false);
  });

  it('is signalled once however often it was signalled', () => {
    using event = EventFd.create();
    event.signal();
    event.signal();
    expect([event.drain(), event.drain()]).toEqual([true, false]);
  });

  it('is readable for poll while it is signalled', () => {
    using event = EventFd.create();
    event.signal();
    const signalled = waitReadable(event.fd, 0);
    event.drain();
    expect([signalled, waitReadable(event.fd, 0)]).toEqual([true, false]);
  });

  it('reaches everybody who has a duplicate', () => {
    using event = EventFd.create();
    using other = EventFd.adopt(dupFd(event.fd));
    other.signal();
    expect(event.drain()).toBe(true);
  });

  it('neither blocks nor throws when its counter is full', () => {
    using event = EventFd.create();
    writeSync(event.fd, new Uint8Array(BigUint64Array.of(2n ** 64n - 2n).buffer));
    event.signal();
    expect(event.drain()).toBe(true);
  });

  it('does not block and is not inherited', () => {
    using event = EventFd.create();
    expect(fdFlags(event.fd) & (constants.O_NONBLOCK | closeOnExec)).toBe(constants.O_NONBLOCK | closeOnExec);
  });

  it('that blocks in the hands of a peer does not block once it is adopted', () => {
    const path = join(directory, 'fifo');
    execFileSync('mkfifo', [path]);
    using event = EventFd.adopt(openSync(path, 'r+'));
    expect(event.drain()).toBe(false);
  });

  it('cannot be adopted when it is not open', () => {
    expect(failureOf(() => EventFd.adopt(-1)).code).toBe('VIO_SYS_EBADF');
  });
});

describe('a closed eventfd', () => {
  it('has given back its descriptor', () => {
    const before = openFds();
    const event = EventFd.create();
    event.close();
    expect([event.fd, openFds()]).toEqual([-1, before]);
  });

  it('ignores signals and is quiet', () => {
    const event = EventFd.create();
    event.close();
    event.signal();
    expect(event.drain()).toBe(false);
  });

  it('does not close again what has its number now', () => {
    const event = EventFd.create();
    event.close();
    using next = EventFd.create();
    event.close();
    next.signal();
    expect(next.drain()).toBe(true);
  });
});
