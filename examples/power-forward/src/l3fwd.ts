// Ports and queues as somebody names them on the command line, forwarded by loops that sleep.
import { setTimeout } from 'node:timers/promises';
import type { DevicePort } from '@vio/net';
import { listVirtioDevices, openPciPort } from '@vio/pci-driver';
import { openVirtioUser } from '@vio/virtio-user';
import { type LoopCounts, type Way, newCounts, runLoop } from './loop.js';
import type { Options } from './options.js';

export async function l3fwd({
  devices,
  portMask,
  promiscuous,
  config,
  parseTypes,
  duration,
}: Options): Promise<void> {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
  const all = devices.length > 0 ? devices : cards();
  const enabled = all.map((_, port) => port).filter((port) => ((portMask >>> port) & 1) !== 0);
  for (const { port } of config) {
    if (port >= all.length)
      throw new Error(`port ${port} of --config is none of the ${all.length} that there are`);
  }
  // Both ends of a way have as many queues.
  const queues = Math.max(...config.map(({ queue }) => queue + 1));
  const ports = new Map<number, DevicePort>();
  try {
    for (const number of enabled) {
      const port = await open(all[number], queues);
      ports.set(number, port);
      if (promiscuous) await port.control.setPromiscuous(true).catch(() => {});
      console.log(`port ${number}: ${port.mac}, ${port.rx.length} queues`);
    }
    const portOf = (number: number) => {
      const port = ports.get(number);
      if (port === undefined) throw new Error(`port ${number} is not open`);
      return port;
    };
    /** The port beside this one, if it is enabled, else itself. */
    const beside = (number: number): number => (ports.has(number ^ 1) ? number ^ 1 : number);
    const loops = new Map<number, Way[]>();
    for (const { port, queue, lcore } of config) {
      const way = { from: portOf(port), to: portOf(beside(port)), queue };
      loops.set(lcore, [...(loops.get(lcore) ?? []), way]);
      console.log(`lcore ${lcore}: port ${port} queue ${queue} -> port ${beside(port)}`);
    }
    const counts = new Map<number, LoopCounts>();
    const running = Array.from(loops, ([lcore, ways]) => {
      const own = newCounts();
      counts.set(lcore, own);
      return runLoop(ways, parseTypes, own, stop.signal);
    });
    console.log('forwarding');
    if (duration !== undefined) {
      await setTimeout(duration * 1000, undefined, { signal: stop.signal }).catch(() => {});
      stop.abort();
    }
    await Promise.all(running);
    for (const [lcore, { frames, types, sleeps }] of counts) {
      const told = parseTypes ? `, ${types.ipv4} IPv4, ${types.ipv6} IPv6, ${types.other} other` : '';
      console.log(`lcore ${lcore}: ${frames} frames${told}, slept ${sleeps} times`);
    }
  } finally {
    for (const port of ports.values()) await port.close();
  }
}

/** Addresses of all virtio network cards with a driver for programs. */
function cards(): string[] {
  const drivers = ['vfio-pci', 'uio_pci_generic', 'igb_uio'];
  const networkCard = 1;
  return listVirtioDevices()
    .filter(({ type, driver }) => type === networkCard && driver !== undefined && drivers.includes(driver))
    .map(({ address }) => address);
}

function open(device: string, queues: number): Promise<DevicePort> {
  if (/^([0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7](,|$)/i.test(device))
    return openPciPort(device, { queues });
  // What the devargs say of queues themselves counts.
  return openVirtioUser(/(^|,)queues=/.test(device) ? device : `${device},queues=${queues}`);
}
