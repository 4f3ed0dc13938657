import { spawn, spawnSync } from 'node:child_process';
import { constants, openSync, readSync, writeSync } from 'node:fs';
import { failureOf, fdFlags, openFds, pipe } from '@vio/test-support';
import { afterEach, describe, expect, it } from 'vitest';
import { addon } from '../addon.ts';
import { EventFd } from './event-fd.ts';
import { closeFd, dupFd } from './fd.ts';
import { UnixStream } from '../sockets/unix-stream.ts';

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

  it('that is a pipe which blocks in the hands of a peer does not block once it is adopted', () => {
    using event = EventFd.adopt(bothEnds());
    expect(event.drain()).toBe(false);
  });

  it('cannot be adopted when it is not open', () => {
    expect(failureOf(() => EventFd.adopt(-1)).code).toBe('VIO_SYS_EBADF');
  });
});

/** A pipe, whose both ends may be used; it blocks. */
function bothEnds(): number {
  const [fd] = pipe('r+');
  return fd;
}

/** A socket that ends at another one. */
function socket(): number {
  const [here, there] = UnixStream.pair();
  ends.push(there);
  return dupFd(here.fd);
}
const ends: UnixStream[] = [];
afterEach(() => ends.splice(0).forEach((end) => end.close()));

/** What a peer can do to the descriptor it shares: libuv makes what it hands down as stdin block. */
function makeBlock(fd: number): void {
  spawnSync(process.execPath, ['-e', ''], { stdio: [fd, 'ignore', 'ignore'] });
  if ((fdFlags(fd) & constants.O_NONBLOCK) !== 0) throw new Error('the descriptor does not block');
}

/** One that blocks as little as any other. */
function eventFd(): number {
  using event = EventFd.create();
  return dupFd(event.fd);
}

const most = new Uint8Array(BigUint64Array.of(2n ** 64n - 2n).buffer);
const tooMuch = new Uint8Array(2 ** 16);
const kinds: [EventFd['kind'], () => number, Uint8Array][] = [
  ['eventfd', eventFd, most],
  ['pipe', bothEnds, tooMuch],
  ['socket', socket, tooMuch],
];

describe.each(kinds)('a descriptor of a peer that is a %s', (kind, open, full) => {
  it('is known for what it is, and keeps its flags', () => {
    const fd = open();
    const before = fdFlags(fd);
    using event = EventFd.adopt(fd);
    event.signal();
    expect([event.kind, fdFlags(fd)]).toEqual([kind, before]);
  });

  it('neither blocks when it is full nor when it is empty, though the peer made it block', () => {
    using event = EventFd.adopt(open());
    makeBlock(event.fd);
    for (let i = 0; i < 100_000; i++) event.signal(); // more than pipes and sockets hold
    if (kind === 'eventfd') {
      event.drain();
      writeSync(event.fd, full);
    }
    event.signal();
    // What a socket is told, the other end has.
    const drained = [event.drain(), drainedAfter(event)];
    expect(drained).toEqual([kind !== 'socket', false]);
  });
});

describe.each(kinds.filter(([kind]) => kind !== 'socket'))(
  'a peer that fills and empties a blocking %s',
  (_, open, full) => {
    it.each([
      ['as its kind', (fd: number) => addon.eventKind(fd)],
      ['by a timer, where there is no better way', () => 3],
    ])('stops nobody who signals and drains it %s', (_name, way) => {
      using event = EventFd.adopt(open());
      const program = `const { readSync, writeSync } = require('fs');
      const full = Buffer.from('${Buffer.from(full).toString('base64')}', 'base64'), into = Buffer.alloc(full.length);
      for (;;) { writeSync(0, full); readSync(0, into); }`;
      const peer = spawn(process.execPath, ['-e', program], { stdio: [event.fd, 'ignore', 'ignore'] });
      const by = way(event.fd);
      while (!event.drain());
      for (let i = 0; i < 20_000; i++) {
        addon.eventFdSignal(event.fd, by);
        addon.eventFdDrain(event.fd, by);
      }
      expect(peer.kill('SIGKILL')).toBe(true);
    });
  },
);

/** Pipes may hold more than one drain takes. */
function drainedAfter(event: EventFd): boolean {
  for (let i = 0; i < 1000 && event.drain(); i++);
  return event.drain();
}

describe('a descriptor at whose other end nobody is', () => {
  it.each([
    [
      'pipe',
      () => {
        const [reader, writer] = pipe(constants.O_RDONLY | constants.O_NONBLOCK, 'w');
        closeFd(reader);
        return writer;
      },
    ],
    [
      'socket',
      () => {
        const fd = socket();
        ends.splice(0).forEach((end) => end.close());
        return fd;
      },
    ],
  ])('(%s) is told in vain, and nothing is thrown', (_, open) => {
    using event = EventFd.adopt(open());
    event.signal();
    expect(event.drain()).toBe(false);
  });
});

it('a pipe and a socket get 8 bytes with the number 1 a time, as an eventfd would', () => {
  using event = EventFd.adopt(bothEnds());
  const [here, there] = UnixStream.pair();
  using other = EventFd.adopt(dupFd(here.fd));
  event.signal();
  other.signal();
  const bytes = [new Uint8Array(16), new Uint8Array(16)];
  const counts = [readSync(event.fd, bytes[0]), there.receive(bytes[1])?.bytes];
  expect([counts, bytes.map((b) => [...b.subarray(0, 9)])]).toEqual([
    [8, 8],
    [
      [1, 0, 0, 0, 0, 0, 0, 0, 0],
      [1, 0, 0, 0, 0, 0, 0, 0, 0],
    ],
  ]);
  here.close();
  there.close();
});

it('a file is none of them', () => {
  using event = EventFd.adopt(openSync('/dev/null', 'r+'));
  expect(event.kind).toBe('other');
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
