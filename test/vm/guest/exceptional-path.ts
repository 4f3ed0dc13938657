// Runs the example with a backend that is the outside world: it pings the kernel, and sends frames for others.
// Argument: the example. Prints one JSON line.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { PacketBurst } from '@vio/net';
import { privatePool } from '@vio/rings/testing';
import { type VhostDevice, VhostDriver } from '@vio/vhost';

const socket = '/tmp/outside.sock';
const pool = privatePool(256);
const burst = new PacketBurst(32);

await using driver = VhostDriver.register(socket);
const appeared = new Promise<VhostDevice>((newDevice) => driver.callbacks({ newDevice }));
await driver.start();
const example = spawn(process.execPath, [process.argv[2], socket, 'exc0', '10.88.0.1/24'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
let said = '';
example.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
const device = await appeared;
await once(example.stdout, 'data');
const mac = /and (\S+)/.exec(said)?.[1]?.replaceAll(':', '') ?? '';

const ourMac = '0200000000ee';
const ourAddress = '0a580002';
const kernelAddress = '0a580001';

function send(frame: Buffer): void {
  burst.allocate(pool, 1, frame.length);
  pool.region.u8.set(frame, burst.offset[0]);
  device.enqueueBurst(0, burst, 0, 1);
  burst.release();
}

/** Frames that come out of the port within half a second of silence. */
async function receive(): Promise<string[]> {
  const frames: string[] = [];
  for (let silent = 0; silent < 50; silent++) {
    const count = device.dequeueBurst(1, pool, burst, 32);
    for (let i = 0; i < count; i++) {
      const { u8 } = pool.region;
      frames.push(
        Buffer.from(u8.subarray(burst.offset[i], burst.offset[i] + burst.length[i])).toString('hex'),
      );
    }
    burst.release();
    if (count > 0) silent = 0;
    await sleep(10);
  }
  return frames;
}

/** An ICMP echo request with a right checksum. */
function echoRequest(sequence: number): Buffer {
  const packet = Buffer.from(
    `${mac}${ourMac}0800450000540000000040010000${ourAddress}${kernelAddress}080000000001${sequence
      .toString(16)
      .padStart(4, '0')}${'5a'.repeat(56)}`,
    'hex',
  );
  packet.writeUInt16BE(checksum(packet.subarray(14, 34)), 24);
  packet.writeUInt16BE(checksum(packet.subarray(34)), 36);
  return packet;
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

// Who are we: the kernel asks before it answers, so it is told.
send(
  Buffer.from(
    `ffffffffffff${ourMac}08060001080006040001${ourMac}${ourAddress}000000000000${kernelAddress}`,
    'hex',
  ),
);
const arpReplies = (await receive()).filter((frame) => frame.startsWith(`${ourMac}${mac}0806`));
for (let i = 0; i < 5; i++) send(echoRequest(i));
const echoReplies = (await receive()).filter((frame) => frame.startsWith(`${ourMac}${mac}0800`));
const stranger = Buffer.alloc(60, 0x77);
stranger[0] = 0x02;
send(stranger);
const sentOn = (await receive()).filter((frame) => frame === stranger.toString('hex'));

example.kill('SIGTERM');
const [exitCode] = (await once(example, 'exit')) as [number];
console.log(
  JSON.stringify({
    arpReplies: arpReplies.length,
    echoReplies: echoReplies.length,
    sentOn: sentOn.length,
    exitCode,
    said: said.split('\n').at(-2),
  }),
);
