// Frames through ports on vhost-vdpa, to a card in another process and back. Argument: cases by name, as JSON. Prints
// one JSON line.
import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { type NetPort, VIRTIO_NET_F_MRG_RXBUF } from '@vio/net';
import { openVirtioUser } from '@vio/virtio-user';
import { Card, type CardOptions, cardMain, vdpaNodes } from './vduse-process.ts';

/** Random bytes with a number in front: no two frames are the same. */
function makeFrames(count: number, largest: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const frame = randomBytes(60 + ((i * 97) % (largest - 59)));
    frame.writeUInt32BE(i, 14);
    return frame;
  });
}

async function send(port: NetPort, queue: number, frames: readonly Buffer[]): Promise<void> {
  const burst = port.burst(1);
  for (const frame of frames) {
    if (queue === 0) {
      await port.send(frame);
      continue;
    }
    while (burst.allocate(port.pool, 1, frame.length) === 0) await setImmediate();
    port.region.u8.set(frame, burst.offset[0]);
    while (port.tx[queue].send(burst) === 0) await setImmediate();
  }
}

async function receive(port: NetPort, queue: number, count: number): Promise<Buffer[]> {
  const frames: Buffer[] = [];
  for await (const frame of port.packets({ queue, signal: AbortSignal.timeout(30_000) })) {
    if (frames.push(Buffer.from(frame)) === count) break;
  }
  return frames;
}

async function exchange(port: NetPort, queue: number, frames: readonly Buffer[]) {
  const receiving = receive(port, queue, frames.length);
  await send(port, queue, frames);
  const received = await receiving;
  return { received: received.length, same: received.every((frame, i) => frame.equals(frames[i])) };
}

interface Case {
  readonly devargs: string;
  readonly card: CardOptions;
  /** For each queue pair. */
  readonly frames: number;
  /** How often the port is opened. */
  readonly rounds: number;
}

async function run({ devargs, card, frames, rounds }: Case) {
  const plugged = await Card.plug(card);
  const [path] = vdpaNodes();
  const results = [];
  for (let round = 0; round < rounds; round++) {
    const port = await openVirtioUser(`net_virtio_user0,path=${path},${devargs}`);
    const largest = (port.features & VIRTIO_NET_F_MRG_RXBUF) === 0n ? 1514 : 5000;
    const pairs = await Promise.all(
      port.rx.map((_, queue) => exchange(port, queue, makeFrames(frames, queue === 0 ? largest : 1514))),
    );
    results.push({ pairs, mac: port.mac, features: port.features.toString(16) });
    await port.close();
  }
  const report = await plugged.report();
  await plugged.unplug();
  return { results, report, nodes: vdpaNodes() };
}

async function main(): Promise<void> {
  const reports: Record<string, unknown> = {};
  for (const [name, each] of Object.entries(JSON.parse(process.argv[2]) as Record<string, Case>)) {
    reports[name] = await run(each);
  }
  console.log(JSON.stringify(reports));
}

if (!cardMain()) await main();
