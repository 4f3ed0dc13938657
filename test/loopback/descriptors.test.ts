// A process that may have few descriptors: connections that come then are refused or end, from the newest on, and no message
// of the others loses what it brings.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

/** Runs a module's body in a process that may have so many descriptors. @returns the JSON it prints */
function within(descriptors: number, body: string): Promise<unknown> {
  const script = `
    import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
    import { EventFd, UnixStream } from '@vio/native';
    import { VhostDriver, VhostUserFrontend } from '@vio/vhost';
    import { openVirtioUser } from '@vio/virtio-user';
    const directory = mkdtempSync('/tmp/vio-descriptors-');
    process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
    const path = directory + '/vhost.sock';
    const held = [];
    const fill = (left = 0) => {
      for (;;) try { held.push(openSync('/dev/null')); } catch { break; }
      for (let i = 0; i < left; i++) closeSync(held.pop());
    };
    const free = () => { for (const fd of held.splice(0)) closeSync(fd); };
    const until = async (condition) => {
      for (let i = 0; i < 5000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 1));
    };
    ${body}
    process.exit();`;
  const args = [`--nofile=${descriptors}`, process.execPath, '--input-type=module', '-e', script];
  return new Promise((resolve, reject) => {
    const cwd = fileURLToPath(new URL('..', import.meta.url));
    execFile('prlimit', args, { cwd, timeout: 50_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout));
      else reject(new Error(stderr));
    });
  });
}

it('a request with descriptors waits for room, which the newest idle connections make', async () => {
  const said = await within(
    128,
    `const driver = VhostDriver.register(path);
    const exhausted = []; const ended = []; const devices = [];
    driver.callbacks({
      newConnection: (device) => devices.push(device),
      exhausted: (device, { code }) => exhausted.push([device.vid, code]),
      destroyConnection: (device, { code }) => ended.push([device.vid, code]),
    });
    await driver.start();
    const port = await openVirtioUser({ path });
    const idle = [];
    for (let i = 0; i < 8; i++) idle.push(await VhostUserFrontend.connect(path));
    for (const frontend of idle) await frontend.getFeatures();
    const call = EventFd.create();
    fill();
    // The oldest of those that wait for their driver brings an eventfd, and is answered.
    const answer = await idle[0].setVringCall(0, call.fd, { timeout: 10_000 }).then(() => 'met', ({ code }) => code);
    await until(() => idle[7].down !== undefined);
    free();
    await port.send(new Uint8Array(60));
    for (const frontend of idle.slice(0, 7)) await frontend.getFeatures();
    console.log(JSON.stringify({ answer, exhausted, ended, link: port.link.up, running: devices[0].running }));`,
  );
  expect(said).toEqual({
    answer: 'met',
    exhausted: [[1, 'VIO_SYS_EMFILE']],
    ended: [[8, 'VIO_VHOST_DESCRIPTORS']],
    link: true,
    running: true,
  });
});

it('a backend that has no descriptor left refuses who comes, says so, and serves the others and those who come later', async () => {
  const said = await within(
    128,
    `const driver = VhostDriver.register(path);
    const refused = []; const ended = [];
    driver.callbacks({
      connectionRefused: ({ code }) => refused.push(code),
      destroyConnection: (_, { code }) => ended.push(code),
    });
    await driver.start();
    const first = await VhostUserFrontend.connect(path);
    await first.getFeatures();
    fill(1);
    const late = await UnixStream.connect(path);
    await late.readable({ timeout: 10_000 }).catch(() => {});
    await until(() => refused.length > 0);
    const lateSaw = late.receive(new Uint8Array(1))?.bytes;
    const offered = await first.getFeatures();
    free();
    late.close();
    const next = await openVirtioUser({ path });
    console.log(JSON.stringify({ refused: [...new Set(refused)], lateSaw, answered: offered !== 0n, next: next.link.up, ended }));`,
  );
  expect(said).toEqual({ refused: ['VIO_SYS_EMFILE'], lateSaw: 0, answered: true, next: true, ended: [] });
});

it('an answer with a descriptor waits for room in a frontend as well', async () => {
  const said = await within(
    128,
    `const driver = VhostDriver.register(path);
    await driver.start();
    const frontend = await VhostUserFrontend.connect(path);
    await frontend.getFeatures();
    await frontend.setFeatures(1n << 32n);
    // The backend, in this process too, has room to make one; when it is sent, that room is gone before it arrives.
    const { send } = UnixStream.prototype;
    UnixStream.prototype.send = function (bytes, fds = [], options = {}) {
      const sent = send.call(this, bytes, fds, options);
      return fds.length === 0 ? sent : sent.then(() => void setImmediate(fill));
    };
    fill(2);
    const asking = frontend.getInflight(2, 64, { timeout: 10_000 });
    let settled = false;
    asking.finally(() => { settled = true; }).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 60));
    const waited = !settled;
    free();
    const area = await asking;
    console.log(JSON.stringify({ waited, fd: area.fd > 2, down: frontend.down }));`,
  );
  expect(said).toEqual({ waited: true, fd: true, down: undefined });
});
