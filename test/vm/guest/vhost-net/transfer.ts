// Two network namespaces, each behind a tap, joined by nothing but a process that forwards between two ports: the
// kernel's TCP carries bytes through both.
import { openVirtioUser } from '@vio/virtio-user';
import { ip } from '../commands.ts';
import { forward } from '../forward.ts';
import { tcpEcho } from '../tcp-echo.ts';

export interface TransferOptions {
  readonly devargs: string;
  readonly bytes: number;
  /** Whether checksums and segmentation are left to the other side. */
  readonly offloads?: boolean;
  /** Bytes. Default 1500. */
  readonly mtu?: number;
  /** Of a VLAN that the addresses are on. Default: none. */
  readonly vlan?: number;
}

export async function transfer(options: TransferOptions) {
  const stop = new AbortController();
  const red = await side('red', '10.2.0.1', options);
  const blue = await side('blue', '10.2.0.2', options);
  const forwarding = forward(red, blue, stop.signal);
  const echo = await tcpEcho('red', 'blue', '10.2.0.2', options.bytes);
  stop.abort();
  await forwarding;
  const largeFrames = [red, blue].every((port) =>
    Object.entries(port.stats()).some(([name, n]) => /^rx_q\d+_size_1519_max_packets$/.test(name) && n > 0),
  );
  for (const port of [red, blue]) await port.close();
  ip(['netns del red', 'netns del blue']);
  return { ...echo, largeFrames };
}

async function side(name: string, address: string, { devargs, offloads, mtu, vlan }: TransferOptions) {
  ip([`netns add ${name}`]);
  const tap = `tap-${name}`;
  const port = await openVirtioUser(`net_virtio_user0,path=/dev/vhost-net,iface=${tap},${devargs}`, {
    netns: `/run/netns/${name}`,
    offloads: offloads === true ? { lro: true, tso: true } : {},
  });
  const card = vlan === undefined ? tap : `${tap}.${vlan}`;
  ip(
    [
      `link set ${tap} mtu ${mtu ?? 1500} up`,
      ...(vlan === undefined ? [] : [`link add link ${tap} name ${card} type vlan id ${vlan}`]),
      `addr add ${address}/24 dev ${card}`,
      `link set ${card} up`,
    ],
    name,
  );
  return port;
}
