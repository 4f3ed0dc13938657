import { expect, it } from 'vitest';
import { runChild } from '../test-support/child.ts';

/** Runs code in a worker until it says something, terminates it, and tells how many descriptors are left of it. */
function leftBy(code: string): Promise<{ stdout: string }> {
  return runChild(`
    import { readdirSync } from 'node:fs';
    const fds = () => readdirSync('/proc/self/fd').length;
    const end = async () => {
      const worker = startWorker(\`${code}
        parentPort.postMessage('up');
        setInterval(() => {}, 1000);\`);
      await new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject); });
      await worker.terminate();
    };
    await end();
    const before = fds();
    for (let i = 0; i < 2; i++) await end();
    print(fds() - before);
    process.exit();`);
}

it.each([
  ['eventfds', 'globalThis.kept = native.EventFd.create();'],
  ['duplicates', 'native.dupFd(0);'],
  ['adopted ones', 'native.EventFd.adopt(native.dupFd(0));'],
  ['shared memory', `globalThis.kept = native.SharedMemory.create({ size: 4096 });`],
  ['sockets', 'globalThis.kept = native.UnixStream.pair();'],
  ['devices', `native.openDevice('/dev/null'); await native.openDeviceAsync('/dev/zero');`],
  [
    'watched ones',
    `const event = native.EventFd.create(); globalThis.kept = new native.FdWatcher(event.fd, { readable: true }, () => {});`,
  ],
  [
    'waits',
    `const [here] = globalThis.kept = native.UnixStream.pair(); void here.readable().catch(() => {});`,
  ],
  [
    'received ones',
    `const [here, there] = globalThis.kept = native.UnixStream.pair();
     await here.send(new Uint8Array(1), [0, 1]); there.receive(new Uint8Array(1));`,
  ],
])('a worker that is terminated leaves no descriptors behind: %s', async (_what, code) => {
  expect((await leftBy(code)).stdout).toBe('0\n');
});

it('a descriptor that was given away outlives its thread', async () => {
  const { stdout } = await leftBy('native.disownFd(native.dupFd(0));');
  expect(stdout).toBe('2\n');
});

it('a number that was closed and belongs to another thread now is left alone', async () => {
  const { stdout } = await runChild(`
    import { fstatSync, openSync } from 'node:fs';
    const worker = startWorker(\`const [end] = native.UnixStream.pair();
      require('node:fs').closeSync(end.fd);
      parentPort.postMessage(end.fd);
      setInterval(() => {}, 1000);\`);
    const fd = await new Promise((resolve) => worker.once('message', resolve));
    const mine = []; while (!mine.includes(fd)) mine.push(openSync('/dev/null'));
    await worker.terminate();
    print(fstatSync(fd).isCharacterDevice());
    process.exit();`);
  expect(stdout).toBe('true\n');
});
