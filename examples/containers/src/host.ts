// What runs in each of the two containers: a virtio-user port and a conversation over it.
// Usage: host.js ping|pong FRAMES [SOCKET]. Without a socket it is the one that the container was given (`openVirtioUser()`).
import { readFileSync, readdirSync } from 'node:fs';
import { VioError } from '@vio/native';
import { type NetPort, macToBytes } from '@vio/net';
import { openVirtioUser } from '@vio/virtio-user';

const [role, count, path] = process.argv.slice(2);
if ((role !== 'ping' && role !== 'pong') || !(Number(count) > 0)) {
  console.error('usage: node dist/host.js ping|pong FRAMES [SOCKET]');
  process.exit(2);
}
/** The addresses of the two, as main.ts has them given. */
const macs = { ping: '02:00:00:00:00:01', pong: '02:00:00:00:00:02' } as const;

/** A frame from one of the two to the other, with a number that the answer repeats. */
function frame(from: 'ping' | 'pong', number: number): Uint8Array {
  const bytes = Buffer.alloc(64);
  const to = from === 'ping' ? 'pong' : 'ping';
  bytes.set([...macToBytes(macs[to]), ...macToBytes(macs[from]), 0x88, 0xb5]);
  bytes.writeUInt32BE(number, 14);
  return bytes;
}

/** Asks until the first answer comes, since the other host may not be there yet; then once for every frame. */
async function ping(port: NetPort, frames: number): Promise<number> {
  const answers = port.packets();
  const asking = setInterval(() => void port.send(frame('ping', 0)).catch(() => {}), 50);
  await port.send(frame('ping', 0));
  let next = 0;
  for await (const answer of answers) {
    const number = Buffer.from(answer).readUInt32BE(14);
    if (Buffer.compare(answer, frame('pong', number)) !== 0) throw new Error(`answer ${number} is damaged`);
    if (number !== next) continue; // to a question that was asked twice
    clearInterval(asking);
    if (++next === frames) return next;
    await port.send(frame('ping', next));
  }
  throw port.link.reason ?? new Error('the link went down');
}

/** Answers until it is ended. */
async function pong(port: NetPort): Promise<void> {
  for await (const question of port.packets()) {
    await port.send(frame('pong', Buffer.from(question).readUInt32BE(14)));
  }
}

/** What this process can see of the world. */
function surroundings(): string {
  const interfaces = [...readFileSync('/proc/net/dev', 'utf8').matchAll(/^ *(\S+):/gm)].map(
    ([, name]) => name,
  );
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length;
  return `network interfaces: ${interfaces.join(', ')}; processes: ${processes}`;
}

try {
  await using port = await openVirtioUser(path === undefined ? undefined : { path, mac: macs[role] });
  console.log(`${role}: ${surroundings()}`);
  if (role === 'pong') await pong(port);
  else console.log(`ping: ${await ping(port, Number(count))} frames went to pong and back`);
} catch (error) {
  console.error(VioError.is(error) ? `${error.message}\nremedy: ${error.remedy}` : error);
  process.exitCode = 1;
}
