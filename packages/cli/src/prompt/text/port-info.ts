import {
  HASH_TYPE_IPv4,
  HASH_TYPE_IPv6,
  HASH_TYPE_TCPv4,
  HASH_TYPE_TCPv6,
  HASH_TYPE_UDPv4,
  HASH_TYPE_UDPv6,
  type DevicePort,
} from '@vio/net';

const border = '*********************';

/** What the prompt has told a port, or taken it to be. */
export interface ShownPort {
  readonly number: number;
  readonly device: string;
  readonly driver: string;
  readonly devargs: string;
  readonly started: boolean;
  readonly promiscuous: boolean;
  readonly allMulticast: boolean;
  readonly port: DevicePort;
}

/** `show port info`, as testpmd words it; what a virtio port does not have is not there. */
export function portInfo(view: ShownPort): string {
  const { number, device, driver, devargs, port } = view;
  const { mtu, rss } = port;
  const { vlanStrip = false } = port.rules;
  const filter = port.control.connected && port.control.vlanFilter;
  const on = (is: boolean): string => (is ? 'enabled' : 'disabled');
  const rings = port.rx.map(({ queue }) => queue.size);
  const queues = port.control.maxPairs;
  return [
    '',
    `${border} Infos for port ${String(number).padEnd(2)} ${border}`,
    `MAC address: ${port.mac.toUpperCase()}`,
    `Device name: ${device}`,
    `Driver name: ${driver}`,
    `Devargs: ${devargs}`,
    `Link status: ${port.link.up ? 'up' : 'down'}`,
    `Link speed: ${speedText(port)}`,
    ...(port.duplex === 'unknown' ? [] : [`Link duplex: ${port.duplex}-duplex`]),
    ...(mtu === undefined ? [] : [`MTU: ${mtu}`]),
    `Promiscuous mode: ${on(view.promiscuous)}`,
    `Allmulticast mode: ${on(view.allMulticast)}`,
    'VLAN offload: ',
    `  strip ${vlanStrip ? 'on' : 'off'}, filter ${filter ? 'on' : 'off'}, extend off, qinq strip off`,
    ...(rss === undefined
      ? []
      : [
          `Hash key size in bytes: ${rss.keyBytes}`,
          `Redirection table size: ${rss.tableEntries}`,
          'Supported RSS offload flow types:',
          `  ${flowTypes(rss.hashTypes).join('  ')}`,
        ]),
    `Current number of RX queues: ${queues}`,
    ...(rings.length === 0 ? [] : [`Number of RXDs per queue: ${Math.max(...rings)}`]),
    `Current number of TX queues: ${queues}`,
    ...(rings.length === 0
      ? []
      : [`Number of TXDs per queue: ${Math.max(...port.tx.map(({ queue }) => queue.size))}`]),
  ].join('\n');
}

/** `show port summary`. */
export function portSummary(views: readonly ShownPort[], ports: number): string {
  return [
    `Number of available ports: ${ports}`,
    'Port MAC Address       Name         Driver         Status   Link',
    ...views.map(({ number, device, driver, port }) =>
      [
        String(number).padEnd(4),
        port.mac.toUpperCase().padEnd(17),
        device.padEnd(12),
        driver.padEnd(14),
        (port.link.up ? 'up' : 'down').padEnd(8),
        speedText(port),
      ].join(' '),
    ),
  ].join('\n');
}

function speedText({ speed }: DevicePort): string {
  if (speed === undefined) return 'Unknown';
  if (speed === 0) return 'None';
  return speed % 1000 === 0 ? `${speed / 1000} Gbps` : `${speed} Mbps`;
}

/** Hash types by DPDK's names, in its order. */
export const hashTypeNames: readonly (readonly [bit: number, name: string])[] = [
  [HASH_TYPE_IPv4, 'ipv4'],
  [HASH_TYPE_TCPv4, 'ipv4-tcp'],
  [HASH_TYPE_UDPv4, 'ipv4-udp'],
  [HASH_TYPE_IPv6, 'ipv6'],
  [HASH_TYPE_TCPv6, 'ipv6-tcp'],
  [HASH_TYPE_UDPv6, 'ipv6-udp'],
];

export function flowTypes(hashTypes: number): string[] {
  return hashTypeNames.filter(([bit]) => (hashTypes & bit) !== 0).map(([, name]) => name);
}
