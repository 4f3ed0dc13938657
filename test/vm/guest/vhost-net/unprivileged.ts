// A port in a process that may open nothing: it inherits the queues of a tap and /dev/vhost-net from one that may.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { closeFd } from '@vio/native';
import { openDevice } from '@vio/native/internal';
import { type OpenOptions, type VirtioUserOptions, openVirtioUser } from '@vio/virtio-user';
import { Tap } from '@vio/vhost-kernel';
import { codeOfOpening } from '../opening-code.ts';
import { ip, sh } from '../commands.ts';
import { respond } from '../responder.ts';

const nobody = 65534;
const queues = 2;
const tapFds = [3, 4];
const vhostFds = [5, 6];
const program = '/tmp/unprivileged.mjs';
const address = '10.6.0.2';

/** True in the process without privileges: it runs there, and the rest of the program does not. */
export async function unprivilegedMain(): Promise<boolean> {
  if (process.argv[2] !== 'unprivileged') return false;
  const open = (devargs: VirtioUserOptions, descriptors: OpenOptions['descriptors']) =>
    openVirtioUser({ queues, queue_size: 64, ...devargs }, descriptors === undefined ? {} : { descriptors });
  const codes = {
    'by path': await codeOfOpening(open({ path: '/dev/vhost-net' }, undefined)),
    'a tap alone': await codeOfOpening(open({}, { tap: tapFds })),
    'an address of its own': await codeOfOpening(
      open({ mac: '02:00:00:00:00:99' }, { tap: tapFds, vhostNet: vhostFds }),
    ),
  };
  const port = await open({}, { tap: tapFds, vhostNet: vhostFds });
  for (const fd of [...tapFds, ...vhostFds]) closeFd(fd);
  const stop = new AbortController();
  const answering = respond(port, address, stop.signal);
  console.log(JSON.stringify({ codes, uid: process.getuid?.() }));
  await once(process.stdin.resume(), 'end');
  stop.abort();
  await answering;
  await port.close();
  return true;
}

/** @returns what the process says of itself, pings it answered, and whether the tap went with it */
export async function unprivileged() {
  const tap = Tap.open({ name: 'given0', queues, virtioHeader: 12, up: true });
  const devices = Array.from({ length: queues }, () => openDevice('/dev/vhost-net'));
  ip(['addr add 10.6.0.1/24 dev given0']);
  // The directory of the program is not for everybody.
  copyFileSync(process.argv[1], program);
  const child = spawn(process.execPath, [program, 'unprivileged'], {
    uid: nobody,
    gid: nobody,
    stdio: ['pipe', 'pipe', 'inherit', ...tap.fds, ...devices],
  });
  tap.close();
  for (const fd of devices) closeFd(fd);
  const said = JSON.parse(await firstLine(child)) as object;
  const output = await sh(`ping -c 10 -i 0.02 -W 10 ${address}`);
  const answered = Number(/(\d+) received/.exec(output)?.[1]);
  child.stdin?.end();
  const [exitCode] = (await once(child, 'exit')) as [number];
  const tapIsGone = await sh('ip link show given0').then(
    () => false,
    () => true,
  );
  return { said, answered, exitCode, tapIsGone };
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the process has no output');
  const { value, done } = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
  if (done === true) throw new Error('the process has ended');
  return value;
}
