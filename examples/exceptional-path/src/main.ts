// The exceptional path: frames for this host go to its kernel, all others are sent on. Port A is on a vhost-user
// backend, port B on the kernel (vhost-net). Arguments: socket of the vhost-user backend, name of the tap, the host's
// address with prefix length. Needs CAP_NET_ADMIN and /dev/vhost-net.
import { execFileSync } from 'node:child_process';
import { openVirtioUser } from '@vio/virtio-user';
import { exceptionalPath } from './path.js';

const [socket, iface = 'exc0', host = '10.88.0.1/24'] = process.argv.slice(2);
if (socket === undefined || socket.startsWith('-')) {
  console.error('usage: node dist/main.js SOCKET [TAP [ADDRESS/BITS]]');
  process.exit(2);
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

await using outside = await openVirtioUser(`net_virtio_user0,path=${socket}`);
// The kernel's interface has the port's address, so that frames to the one are frames to the other.
await using kernel = await openVirtioUser({ path: '/dev/vhost-net', iface, mac: outside.mac });
execFileSync('ip', ['addr', 'add', host, 'dev', iface]);
execFileSync('ip', ['link', 'set', iface, 'up']);
console.log(`${iface} has ${host} and ${outside.mac}`);

const counts = await exceptionalPath(outside, kernel, stop.signal);
console.log(
  `to the kernel ${counts.toKernel}, from the kernel ${counts.fromKernel}, sent on ${counts.sentOn}`,
);
