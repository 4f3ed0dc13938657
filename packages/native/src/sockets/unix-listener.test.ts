import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { failureOf, openFds, rejectionOf, scratchDirectory } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { runChild, unprivileged } from '../test-support/child.ts';
import { dupFd } from '../fds/fd.ts';
import { UnixListener } from './unix-listener.ts';
import { UnixStream } from './unix-stream.ts';

const directory = scratchDirectory();

describe('listening', () => {
  it('makes the socket file, and closing removes it', () => {
    const listener = UnixListener.listen(join(directory, 'made'));
    const made = statSync(listener.path).isSocket();
    listener.close();
    listener.close();
    expect([made, existsSync(listener.path), listener.fd]).toEqual([true, false, -1]);
  });

  it('on a socket that somebody else has made leaves its file to them', async () => {
    const theirs = UnixListener.listen(join(directory, 'passed'));
    using client = await UnixStream.connect(theirs.path);
    const passed = UnixListener.adopt(dupFd(theirs.fd), theirs.path);
    using served = await passed.accept();
    passed.close();
    expect([client.fd > 0, served.fd > 0, passed.fd, existsSync(theirs.path)]).toEqual([
      true,
      true,
      -1,
      true,
    ]);
    theirs.close();
    expect(existsSync(theirs.path)).toBe(false);
  });

  it('replaces a socket file on which nobody listens any more', async () => {
    const path = join(directory, 'stale');
    await runChild(
      `native.UnixListener.listen(${JSON.stringify(path)}); process.kill(process.pid, 'SIGKILL');`,
    );
    using listener = UnixListener.listen(path);
    using client = await UnixStream.connect(path);
    expect([client.fd > 0, listener.fd > 0]).toEqual([true, true]);
  });

  it('leaves a socket alone on which somebody listens', async () => {
    using live = UnixListener.listen(join(directory, 'live'));
    const { code, retryable } = failureOf(() => UnixListener.listen(live.path));
    using client = await UnixStream.connect(live.path);
    expect([code, retryable, client.fd > 0]).toEqual(['VIO_SOCKET_IN_USE', true, true]);
  });

  const file = join(directory, 'file');
  writeFileSync(file, 'precious');
  mkdirSync(join(directory, 'folder'));
  it.each([
    ['a file', file, 'VIO_SOCKET_NOT_A_SOCKET'],
    ['a directory', join(directory, 'folder'), 'VIO_SOCKET_NOT_A_SOCKET'],
    ['a directory that is missing', join(directory, 'absent', 'socket'), 'VIO_SOCKET_MISSING'],
    ['a path below a file', join(file, 'below'), 'VIO_SOCKET_MISSING'],
    ['a path of 108 bytes', '/'.padEnd(108, 'x'), 'VIO_SOCKET_PATH_TOO_LONG'],
    ['no path', '', 'VIO_SOCKET_PATH_INVALID'],
  ])('on %s fails by name', (_what, path, code) => {
    const before = openFds();
    expect([failureOf(() => UnixListener.listen(path)).code, openFds()]).toEqual([code, before]);
  });

  it('never removes what is no socket', () => {
    failureOf(() => UnixListener.listen(file));
    expect(readFileSync(file, 'utf8')).toBe('precious');
  });

  it('without permission for the directory fails by name', async () => {
    const closed = join(directory, 'closed');
    mkdirSync(closed, { mode: 0o500 });
    const { stdout } = await runChild(`${unprivileged}
      try { native.UnixListener.listen(${JSON.stringify(join(closed, 'socket'))}); } catch ({ code }) { print(code); }`);
    expect(stdout).toBe('"VIO_SOCKET_PERMISSION"\n');
  });

  it('removes the file when the process ends', async () => {
    const path = join(directory, 'ended');
    const { stdout } = await runChild(`import { existsSync } from 'node:fs';
      const path = ${JSON.stringify(path)};
      native.UnixListener.listen(path);
      print(existsSync(path));`);
    expect([stdout, existsSync(path)]).toEqual(['true\n', false]);
  });

  it('leaves the file alone that somebody else has put in its place', () => {
    const listener = UnixListener.listen(join(directory, 'taken-over'));
    unlinkSync(listener.path);
    using other = UnixListener.listen(listener.path);
    listener.close();
    expect(statSync(other.path).isSocket()).toBe(true);
  });

  it('on many sockets warns nobody', async () => {
    const { stderr, end } = await runChild(`
      const all = Array.from({ length: 20 }, (_, i) => native.UnixListener.listen('${directory}/many' + i));
      for (const listener of all) listener.close();`);
    expect([stderr, end]).toEqual(['', 0]);
  });
});

describe('the socket file', () => {
  it.each([0o600, 0o660, 0o777])('has mode %o', (mode) => {
    using listener = UnixListener.listen(join(directory, 'mode'), { mode });
    expect(statSync(listener.path).mode & 0o777).toBe(mode);
  });

  it('has what the umask leaves when no mode is given', () => {
    using listener = UnixListener.listen(join(directory, 'umask'));
    expect(statSync(listener.path).mode & 0o777).toBe(0o777 & ~process.umask());
  });

  it('has the owner and group it is given', () => {
    const { uid, gid } = statSync(directory);
    const [newUid, newGid] = uid === 0 ? [65534, 65533] : [uid, gid];
    using listener = UnixListener.listen(join(directory, 'owner'), { uid: newUid, gid: newGid });
    expect(statSync(listener.path)).toMatchObject({ uid: newUid, gid: newGid });
  });

  it.each([{ mode: 0o666 }, { uid: 65534 }, { gid: 65533, mode: 0o660 }])(
    'with %o leaves nothing else in its directory',
    (options) => {
      const folder = mkdtempSync(join(directory, 'rights-'));
      const id = process.getuid?.() === 0 ? options : { mode: 0o666 };
      const listener = UnixListener.listen(join(folder, 'socket'), id);
      const during = readdirSync(folder);
      listener.close();
      expect([during, readdirSync(folder)]).toEqual([['socket'], []]);
    },
  );

  it('gets its mode and owner before it has its name: a link put in its place is left alone', async () => {
    const folder = mkdtempSync(join(directory, 'swap-'));
    const victim = join(folder, 'victim');
    writeFileSync(victim, 'secret', { mode: 0o600 });
    const before = statSync(victim);
    const { stdout } = await runChild(`
      import { rmSync } from 'node:fs';
      const path = '${folder}/socket';
      const flags = new Int32Array(new SharedArrayBuffer(8));
      startWorker(\`const { lstatSync, renameSync, symlinkSync } = require('node:fs');
        const flags = workerData;
        Atomics.store(flags, 0, 1);
        while (Atomics.load(flags, 1) === 0) try {
          if (lstatSync('${folder}/socket').isSocket()) {
            renameSync('${folder}/socket', '${folder}/aside');
            symlinkSync('${victim}', '${folder}/socket');
          }
        } catch {}\`, flags);
      while (Atomics.load(flags, 0) === 0) await new Promise(setImmediate);
      const rights = process.getuid() === 0 ? { mode: 0o666, uid: 12345 } : { mode: 0o666 };
      for (let i = 0; i < 300; i++) {
        try { native.UnixListener.listen(path, rights).close(); } catch {}
        rmSync(path, { force: true });
        rmSync('${folder}/aside', { force: true });
      }
      Atomics.store(flags, 1, 1);
      print('done');
      process.exit();`);
    const { mode, uid } = statSync(victim);
    expect([stdout, mode, uid]).toEqual(['"done"\n', before.mode, before.uid]);
  });

  it.each([{ uid: -2 }, { gid: 2 ** 32 - 1 }, { uid: 0.5 }, { mode: 0o10000 }, { mode: -1 }])(
    'cannot have %o',
    (options) => {
      const path = join(directory, 'impossible');
      expect(failureOf(() => UnixListener.listen(path, options)).code).toBe('VIO_SOCKET_PERMISSION');
      expect(existsSync(path)).toBe(false);
    },
  );

  it('is removed again when its owner cannot be set', async () => {
    const folder = join(directory, 'everybody');
    mkdirSync(folder);
    const { stdout } = await runChild(`
      import { chmodSync, readdirSync } from 'node:fs';
      chmodSync('${folder}', 0o777);
      ${unprivileged}
      try { native.UnixListener.listen('${folder}/socket', { uid: 0 }); }
      catch ({ code }) { print([code, readdirSync('${folder}')]); }`);
    expect(JSON.parse(stdout)).toEqual(['VIO_SOCKET_PERMISSION', []]);
  });

  it('may not be a link that leads nowhere', () => {
    const link = join(directory, 'link');
    symlinkSync('nowhere', link);
    expect(failureOf(() => UnixListener.listen(link)).code).toBe('VIO_SOCKET_IN_USE');
  });
});

describe('several who listen on one path at once', () => {
  it.each([
    ['nothing', false, '{}'],
    ['a stale socket', true, '{}'],
    ['a stale socket, with a mode', true, '{ mode: 0o600 }'],
  ])('over %s: one does, and is reached', async (_what, stale, options) => {
    const rounds = 5;
    const path = join(directory, 'race-');
    const { stdout } = await runChild(`
      const path = (round) => ${JSON.stringify(path)} + round;
      for (let round = 0; round < ${rounds}; round++) {
        // As a process leaves it that is killed.
        if (${stale}) native.closeFd(native.UnixListener.listen(path(round)).fd);
      }
      const gates = new Int32Array(new SharedArrayBuffer(4 * ${rounds}));
      const said = Array.from({ length: ${rounds} }, () => []);
      // Threads that wait for each other before every round, then all begin.
      const workers = Array.from({ length: 4 }, () => startWorker(\`
        globalThis.kept = [];
        for (let round = 0; round < ${rounds}; round++) {
          Atomics.add(workerData, round, 1);
          while (Atomics.load(workerData, round) < 4);
          try {
            kept.push(native.UnixListener.listen(${JSON.stringify(path)} + round, ${options}));
            parentPort.postMessage([round, 'listens']);
          } catch ({ code }) { parentPort.postMessage([round, code]); }
        }
        setInterval(() => {}, 1000);\`, gates));
      await Promise.all(workers.map((worker) => new Promise((resolve) => worker.on('message', ([round, what]) => {
        said[round].push(what);
        if (round === ${rounds - 1}) resolve();
      }))));
      for (let round = 0; round < ${rounds}; round++) (await native.UnixStream.connect(path(round))).close();
      print(said.map((each) => each.sort()));
      process.exit();`);
    for (let round = 0; round < rounds; round++) rmSync(`${path}${round}`, { force: true });
    const inUse = 'VIO_SOCKET_IN_USE';
    expect(JSON.parse(stdout)).toEqual(
      Array.from({ length: rounds }, () => [inUse, inUse, inUse, 'listens']),
    );
  });
});

describe('accepting', () => {
  it('gives connections in their order', async () => {
    using listener = UnixListener.listen(join(directory, 'order'));
    const clients = [await UnixStream.connect(listener.path), await UnixStream.connect(listener.path)];
    const servers = [await listener.accept(), await listener.accept()];
    await clients[1].send(Uint8Array.of(1));
    await servers[1].readable({ timeout: 5000 });
    expect(servers[0].receive(new Uint8Array(1))).toBe(undefined);
    for (const end of [...clients, ...servers]) end.close();
  });

  it('shares connections out to all who wait', async () => {
    using listener = UnixListener.listen(join(directory, 'share'));
    const waits = [listener.accept(), listener.accept()];
    const clients = [await UnixStream.connect(listener.path), await UnixStream.connect(listener.path)];
    const servers = await Promise.all(waits);
    expect(new Set(servers.map((server) => server.fd)).size).toBe(2);
    for (const end of [...clients, ...servers]) end.close();
  });

  it('ends when time is over', async () => {
    using listener = UnixListener.listen(join(directory, 'timeout'));
    expect((await rejectionOf(listener.accept({ timeout: 1 }))).code).toBe('VIO_TIMEOUT');
  });

  it('ends when it is aborted', async () => {
    using listener = UnixListener.listen(join(directory, 'aborted'));
    const controller = new AbortController();
    const wait = rejectionOf(listener.accept({ signal: controller.signal }));
    controller.abort();
    expect((await wait).code).toBe('VIO_ABORTED');
  });

  it('ends for all when the listener closes', async () => {
    const listener = UnixListener.listen(join(directory, 'closing'));
    const waits = [rejectionOf(listener.accept()), rejectionOf(listener.accept())];
    listener.close();
    const codes = (await Promise.all(waits)).map((error) => error.code);
    expect(codes).toEqual(['VIO_SOCKET_CLOSED', 'VIO_SOCKET_CLOSED']);
  });

  it('refuses who comes while there is no descriptor left, says so, and goes on', async () => {
    const { stdout } = await runChild(
      `import { closeSync, openSync } from 'node:fs';
      const listener = native.UnixListener.listen('${directory}/full');
      const clients = [];
      for (let i = 0; i < 3; i++) clients.push(await native.UnixStream.connect(listener.path));
      const first = await listener.accept();
      const held = [];
      for (;;) try { held.push(openSync('/dev/null')); } catch { break; }
      const code = await listener.accept().catch((error) => error.code);
      const refused = clients[1].receive(new Uint8Array(1))?.bytes;
      for (const fd of held) closeSync(fd);
      const second = await listener.accept();
      await second.send(new Uint8Array(1));
      print({ code, refused, first: clients[0].receive(new Uint8Array(1)) ?? null, served: clients[2].receive(new Uint8Array(1)).bytes });
      process.exit();`,
      ['prlimit', '--nofile=64'],
    );
    expect(JSON.parse(stdout)).toEqual({ code: 'VIO_SYS_EMFILE', refused: 0, first: null, served: 1 });
  });

  it('is over once the listener is closed', async () => {
    const listener = UnixListener.listen(join(directory, 'over'));
    listener.close();
    expect((await rejectionOf(listener.accept())).code).toBe('VIO_SOCKET_CLOSED');
  });

  it('leaves no descriptor behind, however it ends', async () => {
    const before = openFds();
    const listener = UnixListener.listen(join(directory, 'leaks'));
    await rejectionOf(listener.accept({ timeout: 1 }));
    await rejectionOf(listener.accept({ signal: AbortSignal.abort() }));
    const wait = rejectionOf(listener.accept());
    listener.close();
    await wait;
    expect(openFds()).toBe(before);
  });
});
