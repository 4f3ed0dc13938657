import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { UnixListener, UnixStream } from '@vio/native';
import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import { VhostUserFrontend } from '@vio/vhost';
import { ScriptedBackend } from '@vio/vhost/testing';
import { holdings, holdingsLike, rejectionOf } from '@vio/test-support';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allProtocolFeatures } from '../test-support/listening-backend.ts';
import { openVirtioUser } from '../open.ts';

const run = promisify(execFile);
let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'vio-user-'));
  chmodSync(directory, 0o755);
});
afterAll(() => rmSync(directory, { recursive: true }));

const place = (name: string): string => join(directory, name);

/** A socket file on which nobody listens any more. */
async function staleSocket(path: string): Promise<void> {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await run(process.execPath, ['-e', script]).catch(() => {});
}

describe('a backend that cannot be reached', () => {
  it('because its socket is not there', async () => {
    const before = holdings();
    const error = await rejectionOf(openVirtioUser({ path: place('missing') }));
    expect(error).toMatchObject({ code: 'VIO_SOCKET_MISSING', retryable: true });
    expect(await holdingsLike(before)).toEqual(before);
  });

  it('because its path is a file', async () => {
    writeFileSync(place('file'), '');
    const error = await rejectionOf(openVirtioUser({ path: place('file') }));
    expect(error.code).toBe('VIO_SOCKET_NOT_A_SOCKET');
  });

  it('because nobody listens', async () => {
    await staleSocket(place('stale'));
    const before = holdings();
    const error = await rejectionOf(openVirtioUser({ path: place('stale') }));
    expect(error).toMatchObject({ code: 'VIO_SOCKET_REFUSED', retryable: true });
    expect(await holdingsLike(before)).toEqual(before);
  });

  it('because its socket belongs to somebody else', async () => {
    using listener = UnixListener.listen(place('private'), { mode: 0o600 });
    const module = new URL('../../dist/index.js', import.meta.url).href;
    const script = `import { openVirtioUser } from ${JSON.stringify(module)};
      if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
      openVirtioUser({ path: ${JSON.stringify(listener.path)} }).catch(({ code }) => console.log(code));`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script]);
    // Nobody but its owner may connect: whoever runs this test without being root is its owner.
    const expected = process.getuid?.() === 0 ? 'VIO_SOCKET_PERMISSION\n' : '';
    expect(stdout).toBe(expected);
  });

  it('because it listens and says nothing', async () => {
    using listener = UnixListener.listen(place('silent'));
    const before = holdings();
    const error = await rejectionOf(openVirtioUser({ path: listener.path }, { timeout: 20 }));
    expect(error).toMatchObject({ code: 'VIO_TIMEOUT', retryable: true });
    expect(await holdingsLike(before)).toEqual(before);
  });

  it('because it is no vhost-user backend', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.resume();
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await new Promise<void>((resolve) => server.listen(place('http'), resolve));
    const error = await rejectionOf(openVirtioUser({ path: place('http') }));
    await new Promise((resolve) => server.close(resolve));
    expect(error.code).toBe('VIO_VHOST_MESSAGE_SIZE');
  });
});

describe('giving up', () => {
  it('before it begins', async () => {
    const signal = AbortSignal.abort();
    const error = await rejectionOf(openVirtioUser({ path: place('missing') }, { signal }));
    expect(error.code).toBe('VIO_ABORTED');
  });

  it('while the backend thinks', async () => {
    using listener = UnixListener.listen(place('thinking'));
    const before = holdings();
    const giveUp = new AbortController();
    const opening = rejectionOf(openVirtioUser({ path: listener.path }, { signal: giveUp.signal }));
    setTimeout(() => giveUp.abort(), 10);
    expect((await opening).code).toBe('VIO_ABORTED');
    expect(await holdingsLike(before)).toEqual(before);
  });

  it('while nobody connects to server=1', async () => {
    const before = holdings();
    const giveUp = new AbortController();
    const path = place('alone');
    const opening = rejectionOf(openVirtioUser({ path, server: true }, { signal: giveUp.signal }));
    setTimeout(() => giveUp.abort(), 10);
    expect((await opening).code).toBe('VIO_ABORTED');
    expect(await holdingsLike(before)).toEqual(before);
  });
});

describe('with server=1', () => {
  const script = { features: VIRTIO_F_VERSION_1, protocolFeatures: allProtocolFeatures };

  it('the backend connects, and the socket goes with the port', async () => {
    const path = place('served');
    const opening = openVirtioUser({ path, server: true });
    using backend = new ScriptedBackend(await UnixStream.connect(path), script);
    const port = await opening;
    await port.close();
    expect(backend.seen.length).toBeGreaterThan(0);
    await expect(UnixStream.connect(path)).rejects.toMatchObject({ code: 'VIO_SOCKET_MISSING' });
  });

  it('the socket has the mode and the owner that were asked for, and a stale one is replaced', async () => {
    const path = place('owned');
    await staleSocket(path);
    const root = process.getuid?.() === 0;
    const { uid, gid } = root ? { uid: 65534, gid: 65533 } : statSync(directory);
    const opening = openVirtioUser({ path, server: true }, { socket: { mode: 0o620, uid, gid } });
    using backend = new ScriptedBackend(await UnixStream.connect(path), script);
    await using port = await opening;
    const found = statSync(path);
    expect([found.mode & 0o777, found.uid, found.gid]).toEqual([0o620, uid, gid]);
    expect([port.link.up, backend.seen.length > 0]).toEqual([true, true]);
  });

  it('an owner that cannot be had is an error, and no socket stays behind', async () => {
    const path = place('unownable');
    const error = await rejectionOf(
      openVirtioUser({ path, server: true }, { socket: { mode: 0o600, uid: -2 } }),
    );
    expect([error.code, existsSync(path)]).toEqual(['VIO_SOCKET_PERMISSION', false]);
  });

  it('the process goes on while nobody connects', async () => {
    const opening = rejectionOf(openVirtioUser({ path: place('patient'), server: true }, { timeout: 50 }));
    let turns = 0;
    const count = setInterval(() => turns++, 1);
    await opening;
    clearInterval(count);
    expect(turns).toBeGreaterThan(3);
  });

  it('one backend after the other connects, and a second one meanwhile waits its turn', async () => {
    const path = place('turns');
    const opening = openVirtioUser({ path, server: true }, { reconnect: { minDelay: 1 } });
    using first = new ScriptedBackend(await UnixStream.connect(path), script);
    await using port = await opening;
    using second = new ScriptedBackend(await UnixStream.connect(path), script);
    expect(second.seen).toEqual([]);
    const back = new Promise((resolve) => port.once('reconnect', resolve));
    first.close();
    await back;
    expect(second.seen.length).toBeGreaterThan(0);
  });

  it('the socket of somebody else is left alone', async () => {
    using listener = UnixListener.listen(place('taken'));
    const error = await rejectionOf(openVirtioUser({ path: listener.path, server: true }));
    expect(error.code).toBe('VIO_SOCKET_IN_USE');
  });

  it('waiting ends with the timeout', async () => {
    const before = holdings();
    const error = await rejectionOf(openVirtioUser({ path: place('lonely'), server: true }, { timeout: 20 }));
    expect(error.code).toBe('VIO_TIMEOUT');
    expect(await holdingsLike(before)).toEqual(before);
  });

  it('a backend that fails takes the socket with it', async () => {
    const path = place('failing');
    const before = holdings();
    const opening = rejectionOf(openVirtioUser({ path, server: true }));
    const stream = await UnixStream.connect(path);
    using backend = new ScriptedBackend(stream, { ...script, misbehave: { at: 8, how: 'close' } });
    expect((await opening).code).toMatch(/^VIO_(VHOST_DISCONNECTED|SOCKET_CLOSED)$/);
    expect(backend.seen).toHaveLength(9);
    expect(await holdingsLike(before)).toEqual(before);
  });

  it.each([
    ['leaves at once', (stream: UnixStream) => stream.close()],
    [
      'says what no backend says',
      (stream: UnixStream) => void stream.send(new Uint8Array(64).fill(0x55), []),
    ],
    [
      'is a frontend itself',
      (stream: UnixStream) =>
        void VhostUserFrontend.adopt(stream)
          .setOwner()
          .catch(() => {}),
    ],
    ['says nothing', () => {}],
  ])('somebody who %s is no backend: the port waits for one', async (_what, stray) => {
    const path = place('strays');
    const before = holdings();
    const opening = openVirtioUser({ path, server: true }, { timeout: 500 });
    const stream = await UnixStream.connect(path);
    stray(stream);
    using backend = new ScriptedBackend(await UnixStream.connect(path), script);
    const port = await opening;
    expect([port.link.up, backend.seen.length > 0]).toEqual([true, true]);
    await port.close();
    stream.close();
    backend.close();
    expect(await holdingsLike(before)).toEqual(before);
  });

  it('strays without end are not put up with', async () => {
    const path = place('many-strays');
    let strays = 0;
    const opening = rejectionOf(openVirtioUser({ path, server: true }));
    const done = opening.then(() => true);
    while (!(await Promise.race([done, Promise.resolve(false)]))) {
      try {
        (await UnixStream.connect(path)).close();
        strays++;
      } catch {
        await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 1))]);
      }
    }
    expect([(await opening).code, strays >= 65]).toEqual([
      expect.stringMatching(/^VIO_(VHOST_DISCONNECTED|SOCKET_CLOSED)$/),
      true,
    ]);
  });
});
