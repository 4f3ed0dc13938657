// The kernel's own stack pings a port on vhost-net. Prints one JSON line.
import { openVirtioUser } from '@vio/virtio-user';
import { sh } from './commands.ts';
import { respond } from './responder.ts';

const [devargs = '', ...sizes] = process.argv.slice(2);
const stop = new AbortController();
const port = await openVirtioUser(`net_virtio_user0,path=/dev/vhost-net,iface=tap0,${devargs}`);
await sh('ip addr add 10.1.0.1/24 dev tap0');
await sh('ip link set tap0 mtu 9000 up');
const answered = respond(port, '10.1.0.2', stop.signal);

const replies: Record<string, number> = {};
for (const size of sizes) {
  const output = await sh(`ping -c 5 -i 0.05 -W 5 -s ${size} 10.1.0.2`);
  replies[size] = Number(/(\d+) received/.exec(output)?.[1]);
}
stop.abort();
const stats = port.stats();
await port.close();
console.log(
  JSON.stringify({
    features: port.features.toString(16),
    replies,
    answered: await answered,
    received: stats['rx_q0_good_packets'],
    tapIsGone: await sh('ip link show tap0').then(
      () => false,
      () => true,
    ),
  }),
);
