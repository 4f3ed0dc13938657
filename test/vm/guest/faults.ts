// What can go wrong with a kernel backend, each told by name. Prints one JSON line.
import { readdirSync } from 'node:fs';
import type { LinkState } from '@vio/net';
import { VhostNetTransport } from '@vio/vhost-kernel/internal';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { sh } from './commands.ts';
import { held } from './held.ts';
import { codeOfOpening } from './opening-code.ts';

const open = (rest: string): Promise<VirtioUserPort> =>
  openVirtioUser(`net_virtio_user0,path=/dev/vhost-net,queue_size=64,${rest}`);

/** The port's link goes down when `line` is run: with which code? */
async function downAfter(line: string): Promise<string> {
  const port = await open('iface=tap-x');
  const down = new Promise<LinkState>((resolve) => {
    port.on('link', (link) => {
      if (port.gone) resolve(link);
    });
  });
  await sh(line);
  // An idle port does not keep a process alive.
  const alive = setInterval(() => {}, 1000);
  const { up, reason } = await down;
  clearInterval(alive);
  await port.close();
  return up ? 'up' : (reason?.code ?? 'none');
}

/** What a leak would show in: descriptors, mappings and interfaces. */
const holdings = () => ({ ...held(/memfd/), interfaces: readdirSync('/sys/class/net').length });

await sh('ip link add veth-x type dummy').catch(() => sh('ip tuntap add dev veth-x mode tun'));
const codes: Record<string, string> = {
  'a name of another kind': await codeOfOpening(open('iface=veth-x')),
  'several queues on a tap of one': await sh('ip tuntap add dev tap-one mode tap').then(() =>
    codeOfOpening(open('iface=tap-one,queues=2')),
  ),
  'a tap held by another port': await open('iface=tap-y').then(async (port) => {
    const code = await codeOfOpening(open('iface=tap-y'));
    await port.close();
    return code;
  }),
  'packed rings': await codeOfOpening(open('packed_vq=1')),
  'a tap deleted under the port': await downAfter('ip link del tap-x'),
};

/** Ports are the slow part: what the kernel holds shows with the backend alone as well. */
const opens: ((iface: string) => Promise<{ close: () => unknown }> | { close: () => unknown })[] = [
  (iface) => open(`iface=${iface}`),
  (iface) => VhostNetTransport.open({ path: '/dev/vhost-net', iface, queues: 2 }),
];
const before = holdings();
let opened = 0;
let refused = 0;
for (const [i, rounds] of [200, 300].entries()) {
  for (let round = 0; round < rounds; round++) {
    await (await opens[i]('tap-w')).close();
    opened++;
    try {
      await opens[i]('veth-x');
    } catch {
      refused++;
    }
  }
}
const after = holdings();

process.setgid?.(65534);
process.setuid?.(65534);
codes['without permission'] = await codeOfOpening(open('iface=tap-x'));
console.log(JSON.stringify({ codes, opened, refused, before, after }));
