import { failureOf, fdFlags, openFds, rejectionOf } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { EventFd } from '../fds/event-fd.ts';
import { closeFd } from '../fds/fd.ts';
import { runChild } from '../test-support/child.ts';
import { bytes, receiveNext } from '../test-support/stream-bytes.ts';
import { UnixStream } from './unix-stream.ts';

/** Sends until there is no more room; what is sent stays unread. */
async function fill(stream: UnixStream): Promise<void> {
  const error = await rejectionOf(stream.send(new Uint8Array(1 << 24), [], { timeout: 20 }));
  expect(error.code).toBe('VIO_TIMEOUT');
}

describe('bytes that are sent now', () => {
  it('arrive without anything to wait for', async () => {
    const [here, there] = UnixStream.pair();
    expect(here.sendNow(bytes('now'), [])).toBe(3);
    expect((await receiveNext(there)).text).toBe('now');
    here.close();
    there.close();
  });

  it('are as many as there is room for', async () => {
    const [here, there] = UnixStream.pair();
    await fill(here);
    expect(here.sendNow(bytes('more'), [])).toBe(0);
    here.close();
    there.close();
  });

  it('are none while others wait for room, whose place they would take', async () => {
    const [here, there] = UnixStream.pair();
    const waiting = here.send(new Uint8Array(1 << 22));
    await receiveNext(there, 1 << 20);
    expect(here.sendNow(bytes('now'), [])).toBe(0);
    here.close();
    expect((await rejectionOf(waiting)).code).toBe('VIO_SOCKET_CLOSED');
    there.close();
  });

  it('take their descriptors along', async () => {
    const [here, there] = UnixStream.pair();
    const event = EventFd.create();
    expect(here.sendNow(bytes('x'), [event.fd])).toBe(1);
    const { fds } = await receiveNext(there);
    expect(fds).toHaveLength(1);
    fds.forEach(closeFd);
    event.close();
    here.close();
    there.close();
  });

  it('fail by name on a stream that is closed, and with more descriptors than travel at once', () => {
    const [here, there] = UnixStream.pair();
    expect(failureOf(() => here.sendNow(bytes('x'), Array<number>(254).fill(0))).code).toBe('VIO_SOCKET_FDS');
    here.close();
    expect(failureOf(() => here.sendNow(bytes('x'), [])).code).toBe('VIO_SOCKET_CLOSED');
    there.close();
  });
});

describe('bytes on a stream', () => {
  it('arrive, both ways', async () => {
    const [here, there] = UnixStream.pair();
    await here.send(bytes('ping'));
    await there.send(bytes('pong'));
    expect([(await receiveNext(there)).text, (await receiveNext(here)).text]).toEqual(['ping', 'pong']);
    here.close();
    there.close();
  });

  it('are undefined when there are none yet', () => {
    const [here, there] = UnixStream.pair();
    expect(here.receive(new Uint8Array(1))).toBe(undefined);
    here.close();
    there.close();
  });

  it('that do not fit wait for the next receive', async () => {
    const [here, there] = UnixStream.pair();
    await here.send(bytes('abcdef'));
    const parts = [await receiveNext(there, 4), await receiveNext(there, 4)];
    expect(parts.map((part) => part.text)).toEqual(['abcd', 'ef']);
    here.close();
    there.close();
  });

  it('are none once the peer has closed', async () => {
    const [here, there] = UnixStream.pair();
    await here.send(bytes('last'));
    here.close();
    expect([(await receiveNext(there)).text, (await receiveNext(there)).bytes]).toEqual(['last', 0]);
    there.close();
  });

  it('are none once the peer has closed without reading what it was sent', async () => {
    const [here, there] = UnixStream.pair();
    await here.send(bytes('unread'));
    there.close();
    expect((await receiveNext(here)).bytes).toBe(0);
    here.close();
  });

  it('wait for room', async () => {
    const [here, there] = UnixStream.pair();
    const total = 1 << 22;
    const sent = here.send(new Uint8Array(total).fill(7));
    let arrived = 0;
    while (arrived < total) arrived += (await receiveNext(there)).bytes;
    await sent;
    expect(arrived).toBe(total);
    here.close();
    there.close();
  });

  it('keep the order of their sends', async () => {
    const [here, there] = UnixStream.pair();
    const large = 'x'.repeat(1 << 20);
    const sends = [here.send(bytes(large)), here.send(bytes('1')), here.send(bytes('2'))];
    let text = '';
    while (text.length < large.length + 2) text += (await receiveNext(there)).text;
    await Promise.all(sends);
    expect(text.slice(-3)).toBe('x12');
    here.close();
    there.close();
  });

  it('are told of to a handler until it is taken away', async () => {
    const [here, there] = UnixStream.pair();
    const seen = await new Promise<string>((resolve) => {
      const stop = there.onReadable(() => {
        const target = new Uint8Array(16);
        const received = there.receive(target);
        stop();
        resolve(new TextDecoder().decode(target.subarray(0, received?.bytes)));
      });
      void here.send(bytes('event'));
    });
    expect(seen).toBe('event');
    here.close();
    there.close();
  });

  it('may be waited for while a handler waits for them too', async () => {
    const [here, there] = UnixStream.pair();
    there.onReadable(() => {});
    await here.send(bytes('x'));
    expect((await receiveNext(there)).text).toBe('x');
    here.close();
    there.close();
  });
});

describe('descriptors on a stream', () => {
  it.each([1, 8, 64])('arrive with the first byte: %d', async (count) => {
    const before = openFds();
    const [here, there] = UnixStream.pair();
    const events = Array.from({ length: count }, () => EventFd.create());
    await here.send(
      bytes('fds'),
      events.map((event) => event.fd),
    );
    const first = await receiveNext(there, 1);
    const rest = await receiveNext(there);
    const arrived = first.fds.map((fd) => EventFd.adopt(fd));
    for (const event of arrived) event.signal();
    const same = events.filter((event) => event.drain()).length;
    expect([first.truncatedFds, same, rest.fds]).toEqual([false, count, []]);
    for (const end of [here, there, ...events, ...arrived]) end.close();
    expect(openFds()).toBe(before);
  });

  it('belong to their bytes, not to those that end where theirs begin', async () => {
    const [here, there] = UnixStream.pair();
    await here.send(bytes('one'));
    await here.send(bytes('two'), [0]);
    await here.send(bytes('three'));
    const got = [];
    for (const size of [3, 3, 5]) got.push(await receiveNext(there, size));
    expect(got.map(({ text, fds }) => [text, fds.length])).toEqual([
      ['one', 0],
      ['two', 1],
      ['three', 0],
    ]);
    for (const fd of got[1].fds) closeFd(fd);
    here.close();
    there.close();
  });

  it('beyond what a message may carry are dropped, said so, and none is leaked', async () => {
    const before = openFds();
    const [here, there] = UnixStream.pair();
    const event = EventFd.create();
    await here.send(
      bytes('x'),
      Array.from({ length: 100 }, () => event.fd),
    );
    const { fds, truncatedFds, text } = await receiveNext(there);
    expect([fds.length, truncatedFds, text, openFds() - before]).toEqual([64, true, 'x', 64 + 3]);
    for (const fd of fds) closeFd(fd);
    for (const end of [here, there, event]) end.close();
  });

  it('stay in the socket with their bytes while this process has no room for them', async () => {
    const { stdout } = await runChild(
      `import { closeSync, openSync, readdirSync } from 'node:fs';
      const [here, there] = native.UnixStream.pair();
      const event = native.EventFd.create();
      await here.send(new TextEncoder().encode('first'), Array.from({ length: 8 }, () => event.fd));
      await here.send(new TextEncoder().encode('second'));
      const held = [];
      for (;;) try { held.push(openSync('/dev/null')); } catch { break; }
      const receive = () => { const bytes = new Uint8Array(5); const got = there.receive(bytes); return [new TextDecoder().decode(bytes), got.fds.length, got.truncatedFds]; };
      const failures = [];
      for (let i = 0; i < 8; i++) {
        try { receive(); } catch ({ code, retryable }) { failures.push([code, retryable].join()); }
        closeSync(held.pop());
      }
      print({ failures: [...new Set(failures)], count: failures.length, after: [receive(), receive()] });
      process.exit();`,
      ['prlimit', '--nofile=64'],
    );
    expect(JSON.parse(stdout)).toEqual({
      failures: ['VIO_SYS_EMFILE,true'],
      count: 8,
      after: [
        ['first', 8, false],
        ['secon', 0, false],
      ],
    });
  });

  it('are not inherited by child processes', async () => {
    const [here, there] = UnixStream.pair();
    await here.send(bytes('x'), [0]);
    const { fds } = await receiveNext(there);
    expect(fdFlags(fds[0]) & 0o2000000).toBe(0o2000000);
    closeFd(fds[0]);
    here.close();
    there.close();
  });

  it.each([
    ['254 at a time', new Uint8Array(1), 254],
    ['without a byte', new Uint8Array(0), 1],
  ])('cannot travel %s', async (_how, message, count) => {
    const [here, there] = UnixStream.pair();
    const error = await rejectionOf(
      here.send(
        message,
        Array.from({ length: count }, () => 0),
      ),
    );
    expect(error.code).toBe('VIO_SOCKET_FDS');
    here.close();
    there.close();
  });

  it('that are not open cannot travel', async () => {
    const [here, there] = UnixStream.pair();
    expect((await rejectionOf(here.send(bytes('x'), [-1]))).code).toBe('VIO_SYS_EBADF');
    here.close();
    there.close();
  });
});

describe('waiting on a stream', () => {
  it('for data ends when time is over', async () => {
    const [here, there] = UnixStream.pair();
    expect((await rejectionOf(here.readable({ timeout: 1 }))).code).toBe('VIO_TIMEOUT');
    here.close();
    there.close();
  });

  it('for data ends when it is aborted', async () => {
    const [here, there] = UnixStream.pair();
    const controller = new AbortController();
    const wait = rejectionOf(here.readable({ signal: controller.signal }));
    controller.abort();
    expect((await wait).code).toBe('VIO_ABORTED');
    here.close();
    there.close();
  });

  it('for data ends when this side closes', async () => {
    const [here, there] = UnixStream.pair();
    const wait = rejectionOf(here.readable());
    here.close();
    expect((await wait).code).toBe('VIO_SOCKET_CLOSED');
    there.close();
  });

  it('for room ends when this side closes', async () => {
    const [here, there] = UnixStream.pair();
    await fill(here);
    const wait = rejectionOf(here.send(bytes('more')));
    await new Promise(setImmediate);
    here.close();
    expect((await wait).code).toBe('VIO_SOCKET_CLOSED');
    there.close();
  });

  it('for room ends when the peer closes', async () => {
    const [here, there] = UnixStream.pair();
    await fill(here);
    const wait = rejectionOf(here.send(bytes('more')));
    await new Promise(setImmediate);
    there.close();
    expect((await wait).code).toBe('VIO_SOCKET_CLOSED');
    here.close();
  });

  it('for its turn to send ends when time is over', async () => {
    const [here, there] = UnixStream.pair();
    const stuck = rejectionOf(here.send(new Uint8Array(1 << 24)));
    expect((await rejectionOf(here.send(bytes('next'), [], { timeout: 1 }))).code).toBe('VIO_TIMEOUT');
    here.close();
    await stuck;
    there.close();
  });

  it('leaves no descriptor behind, however it ends', async () => {
    const before = openFds();
    const [here, there] = UnixStream.pair();
    const aborted = AbortSignal.abort();
    await rejectionOf(here.readable({ timeout: 1 }));
    await rejectionOf(here.readable({ signal: aborted }));
    await fill(here);
    await rejectionOf(here.send(bytes('x'), [], { signal: aborted }));
    const waits = [rejectionOf(here.readable()), rejectionOf(here.send(bytes('x')))];
    here.close();
    await Promise.all(waits);
    there.close();
    expect(openFds()).toBe(before);
  });
});

describe('a closed stream', () => {
  it('neither sends, receives nor waits', async () => {
    const [here, there] = UnixStream.pair();
    here.close();
    here.close();
    here.onReadable(() => {});
    const codes = [
      failureOf(() => here.receive(new Uint8Array(1))).code,
      (await rejectionOf(here.send(bytes('x')))).code,
      (await rejectionOf(here.readable())).code,
    ];
    expect([here.fd, ...codes]).toEqual([-1, 'VIO_SOCKET_CLOSED', 'VIO_SOCKET_CLOSED', 'VIO_SOCKET_CLOSED']);
    there.close();
  });

  it('cannot be sent to', async () => {
    const [here, there] = UnixStream.pair();
    there.close();
    const { code, retryable, cause } = await rejectionOf(here.send(bytes('x')));
    expect([code, retryable]).toEqual(['VIO_SOCKET_CLOSED', true]);
    expect(cause).toMatchObject({ code: 'EPIPE', syscall: 'sendmsg' });
    here.close();
  });
});

describe('adopting a socket', () => {
  it('needs one that is open', () => {
    expect(failureOf(() => UnixStream.adopt(-1)).code).toBe('VIO_SYS_EBADF');
  });
});

describe('a pause of reading', () => {
  it('is followed by the handler again', async () => {
    const [here, there] = UnixStream.pair();
    let calls = 0;
    const again = new Promise<void>((resolve) => {
      there.onReadable(() => {
        calls++;
        if (calls === 1) there.pauseReading(1);
        else resolve();
      });
    });
    await here.send(bytes('x'));
    await again;
    here.close();
    there.close();
    expect(calls).toBe(2);
  });

  it('ends with the stream', async () => {
    const [here, there] = UnixStream.pair();
    let calls = 0;
    const once = new Promise<void>((resolve) => {
      there.onReadable(() => {
        calls++;
        there.pauseReading(1);
        there.close();
        resolve();
      });
    });
    await here.send(bytes('x'));
    await once;
    await new Promise((resolve) => setTimeout(resolve, 5));
    here.close();
    expect(calls).toBe(1);
  });
});
