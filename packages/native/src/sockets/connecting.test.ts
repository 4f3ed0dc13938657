import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openFds, rejectionOf, scratchDirectory } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { runChild, unprivileged } from '../test-support/child.ts';
import { bytes, receiveNext } from '../test-support/stream-bytes.ts';
import { UnixListener } from './unix-listener.ts';
import { UnixStream } from './unix-stream.ts';

const directory = scratchDirectory();

describe('connecting', () => {
  it('reaches who listens', async () => {
    using listener = UnixListener.listen(join(directory, 'reached'));
    using client = await UnixStream.connect(listener.path);
    using server = await listener.accept();
    await client.send(bytes('hello'));
    expect((await receiveNext(server)).text).toBe('hello');
  });

  it('waits while the backlog is full', async () => {
    using listener = UnixListener.listen(join(directory, 'full'), { backlog: 0 });
    using first = await UnixStream.connect(listener.path);
    const second = UnixStream.connect(listener.path, { timeout: 5000 });
    await new Promise(setImmediate);
    (await listener.accept()).close();
    (await listener.accept()).close();
    (await second).close();
    expect(first.fd).toBeGreaterThan(0);
  });

  it('ends when time is over and the backlog is still full', async () => {
    using listener = UnixListener.listen(join(directory, 'still-full'), { backlog: 0 });
    using first = await UnixStream.connect(listener.path);
    const error = await rejectionOf(UnixStream.connect(listener.path, { timeout: 30 }));
    expect([error.code, first.fd > 0]).toEqual(['VIO_TIMEOUT', true]);
  });

  it('works with a path of 107 bytes', async () => {
    const path = join(directory, 'x'.repeat(107 - directory.length - 1));
    using listener = UnixListener.listen(path);
    using client = await UnixStream.connect(path);
    expect([Buffer.byteLength(listener.path), client.fd > 0]).toEqual([107, true]);
  });

  const file = join(directory, 'plain-file');
  writeFileSync(file, '');
  it.each([
    ['a path of 108 bytes', '/'.padEnd(108, 'x'), 'VIO_SOCKET_PATH_TOO_LONG', false],
    ['a path of 54 characters in 108 bytes', `/${'é'.repeat(53)}x`, 'VIO_SOCKET_PATH_TOO_LONG', false],
    ['no path', '', 'VIO_SOCKET_PATH_INVALID', false],
    ['an abstract name', '\0vio', 'VIO_SOCKET_PATH_INVALID', false],
    ['a path with nothing there', join(directory, 'absent'), 'VIO_SOCKET_MISSING', true],
    ['a path below a file', join(file, 'below'), 'VIO_SOCKET_MISSING', false],
    ['a file', file, 'VIO_SOCKET_NOT_A_SOCKET', false],
    ['a directory', directory, 'VIO_SOCKET_NOT_A_SOCKET', false],
  ])('to %s fails by name', async (_what, path, code, retryable) => {
    const error = await rejectionOf(UnixStream.connect(path));
    expect([error.code, error.retryable]).toEqual([code, retryable]);
  });

  it('to a socket on which nobody listens any more is refused', async () => {
    const path = join(directory, 'stale');
    await runChild(
      `native.UnixListener.listen(${JSON.stringify(path)}); process.kill(process.pid, 'SIGKILL');`,
    );
    const { code, retryable } = await rejectionOf(UnixStream.connect(path));
    expect([code, retryable]).toEqual(['VIO_SOCKET_REFUSED', true]);
  });

  it('without permission fails by name', async () => {
    using listener = UnixListener.listen(join(directory, 'forbidden'), { mode: 0o000 });
    const { stdout } = await runChild(`
      ${unprivileged}
      await native.UnixStream.connect(${JSON.stringify(listener.path)}).catch(({ code }) => print(code));`);
    expect(stdout).toBe('"VIO_SOCKET_PERMISSION"\n');
  });

  it('that was aborted before does not begin', async () => {
    const error = await rejectionOf(UnixStream.connect(file, { signal: AbortSignal.abort() }));
    expect(error.code).toBe('VIO_ABORTED');
  });

  it('and closing a thousand times leaks nothing', async () => {
    using listener = UnixListener.listen(join(directory, 'thousand'));
    const before = openFds();
    for (let i = 0; i < 1000; i++) {
      const client = await UnixStream.connect(listener.path);
      const server = await listener.accept();
      client.close();
      server.close();
    }
    expect(openFds()).toBe(before);
  });

  it('in vain a thousand times leaks nothing', async () => {
    const stale = join(directory, 'stale');
    const before = openFds();
    for (let i = 0; i < 500; i++) {
      await rejectionOf(UnixStream.connect(join(directory, 'absent')));
      await rejectionOf(UnixStream.connect(stale));
    }
    expect(openFds()).toBe(before);
  });
});
