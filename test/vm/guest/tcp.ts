// Two network namespaces, each behind a tap, joined by nothing but a process that forwards between two ports: the
// kernel's TCP carries bytes through both. Prints one JSON line.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { openVirtioUser } from '@vio/virtio-user';
import { sh } from './commands.ts';
import { forward } from './forward.ts';

const [devargs = '', megabytes = '2', offloading = 'off'] = process.argv.slice(2);
const on = offloading === 'on';
const offloads = on ? { lro: true, tso: true } : {};
const stop = new AbortController();

async function side(name: string, address: string) {
  await sh(`ip netns add ${name}`);
  const port = await openVirtioUser(`net_virtio_user0,path=/dev/vhost-net,iface=tap-${name},${devargs}`, {
    netns: `/run/netns/${name}`,
    offloads,
  });
  await sh(`ip -n ${name} addr add ${address}/24 dev tap-${name}`);
  await sh(`ip -n ${name} link set tap-${name} up`);
  return port;
}

const red = await side('red', '10.2.0.1');
const blue = await side('blue', '10.2.0.2');
const forwarding = forward(red, blue, stop.signal);

const inside = (name: string, script: string) =>
  spawn('ip', ['netns', 'exec', name, 'node', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });

// The server sends back what it gets, so bytes are checked both ways.
const server = inside(
  'blue',
  `require('net').createServer({allowHalfOpen:true},s=>s.pipe(s)).listen(7,()=>console.log('up'))`,
);
await once(server.stdout, 'data');
const client = inside(
  'red',
  `const s=require('net').connect(7,'10.2.0.2');process.stdin.pipe(s);s.pipe(process.stdout)`,
);
const sent = randomBytes(Number(megabytes) << 20);
client.stdin.end(sent);
const back = createHash('sha256');
let bytes = 0;
for await (const part of client.stdout) {
  back.update(part as Buffer);
  bytes += (part as Buffer).length;
}
server.kill();
stop.abort();
await forwarding;
const largest = [red, blue].map((port) => port.stats()['rx_q0_size_1519_max_packets'] ?? 0);
await red.close();
await blue.close();
console.log(
  JSON.stringify({
    sent: sent.length,
    received: bytes,
    largeFrames: largest.every((frames) => frames > 0),
    same: back.digest('hex') === createHash('sha256').update(sent).digest('hex'),
  }),
);
