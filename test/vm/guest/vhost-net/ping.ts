// The kernel's own stack pings a port.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openVirtioUser } from '@vio/virtio-user';
import { ip, sh } from '../commands.ts';
import { respond } from '../responder.ts';

export async function pingPort(devargs: string, sizes: readonly number[]) {
  const port = await openVirtioUser(`net_virtio_user0,path=/dev/vhost-net,iface=tap0,${devargs}`);
  ip(['addr add 10.1.0.1/24 dev tap0', 'link set tap0 mtu 9000 up']);
  const stop = new AbortController();
  const answering = respond(port, '10.1.0.2', stop.signal);
  const replies: Record<string, number> = {};
  let damaged = 0;
  for (const size of sizes) {
    const before = echoReplies();
    const output = await sh(`ping -c 5 -i 0.02 -s ${size} 10.1.0.2`);
    // ping itself does not wait long for the last one.
    for (let i = 0; i < 400 && echoReplies() < before + 5; i++) await sleep(25);
    replies[size] = echoReplies() - before;
    damaged += /wrong data/.test(output) ? 1 : 0;
  }
  stop.abort();
  await answering;
  await port.close();
  const tapIsGone = await sh('ip link show tap0').then(
    () => false,
    () => true,
  );
  return { replies, damaged, tapIsGone };
}

/** Echo replies the kernel has had, with a right checksum. */
function echoReplies(): number {
  const [names, values] = readFileSync('/proc/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Icmp:'))
    .map((line) => line.split(' '));
  return Number(values[names.indexOf('InEchoReps')]);
}
