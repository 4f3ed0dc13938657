// Forwards between two ports, each a PCI card (0000:00:04.0) or a virtio-user device (path=/tmp/vhost.sock).
import type { NetPort } from '@vio/net';
import { openPciPort } from '@vio/pci-driver';
import { openVirtioUser } from '@vio/virtio-user';
import { forward } from './forward.js';

const [first, second] = process.argv.slice(2);
if (first === undefined || second === undefined) {
  console.error('usage: node dist/main.js PORT PORT');
  process.exit(2);
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

await using a = await open(first);
await using b = await open(second);
console.log(`forwarding between ${first} (${a.mac}) and ${second} (${b.mac})`);
const [there, back] = await forward(a, b, stop.signal);
console.log(`forwarded ${there} frames there, ${back} back`);
for (const { link } of [a, b]) {
  if (link.reason === undefined) continue;
  console.error(`${link.reason.message}; ${link.reason.remedy}`);
  process.exitCode = 1;
}

function open(port: string): Promise<NetPort & AsyncDisposable> {
  const isPci = /^([0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7](,|$)/i.test(port);
  return isPci ? openPciPort(port, { log: console.log }) : openVirtioUser(port);
}
