// Frames through a port on vhost-vdpa, to a card in another process and back. Arguments: devargs, the card, frames
// for each queue pair, and how often the port is opened. Prints one JSON line.
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

async function main(): Promise<void> {
  const [devargs, card, count, rounds] = process.argv.slice(2);
  const plugged = await Card.plug(JSON.parse(card) as CardOptions);
  const [path] = vdpaNodes();
  const results = [];
  for (let round = 0; round < Number(rounds); round++) {
    const port = await openVirtioUser(`net_virtio_user0,path=${path},${devargs}`);
    const largest = (port.features & VIRTIO_NET_F_MRG_RXBUF) !== 0n ? 5000 : 1514;
    const exchanges = port.rx.map((_, queue) =>
      exchange(port, queue, makeFrames(Number(count), queue === 0 ? largest : 1514)),
    );
    results.push({
      pairs: await Promise.all(exchanges),
      mac: port.mac,
      features: port.features.toString(16),
    });
    await port.close();
  }
  const report = await plugged.report();
  await plugged.unplug();
  console.log(JSON.stringify({ results, report, nodes: vdpaNodes() }));
}

if (!cardMain()) await main();
