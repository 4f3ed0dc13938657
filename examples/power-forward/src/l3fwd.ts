// Ports and queues as somebody names them on the command line, forwarded by loops that sleep.
import { setTimeout } from 'node:timers/promises';
import { openVirtioUser } from '@vio/virtio-user';
import { type LoopCounts, type Way, newCounts, runLoop } from './loop.js';
import type { Options } from './options.js';

export async function l3fwd({
  vdevs,
  portMask,
  promiscuous,
  config,
  parseTypes,
  duration,
}: Options): Promise<void> {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
  const enabled = vdevs.map((_, port) => port).filter((port) => ((portMask >>> port) & 1) !== 0);
  // Both ends of a way have as many queues.
  const queues = Math.max(...config.map(({ queue }) => queue + 1));
  const ports = new Map<number, Awaited<ReturnType<typeof openVirtioUser>>>();
  try {
    for (const number of enabled) {
      const port = await openVirtioUser(withQueues(vdevs[number], queues));
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

/** What the devargs say of queues themselves counts. */
function withQueues(devargs: string, queues: number): string {
  return /(^|,)queues=/.test(devargs) ? devargs : `${devargs},queues=${queues}`;
}
