// Frames through ports on vhost-vdpa, to a card in another process and back.
import { randomBytes } from 'node:crypto';
import { type NetPort, VIRTIO_NET_F_MRG_RXBUF } from '@vio/net';
import { openVirtioUser } from '@vio/virtio-user';
import { Card, type CardOptions, vdpaNodes } from './vduse-process.ts';

/** Random bytes with a number in front: no two frames are the same. */
export function makeFrames(count: number, largest: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const frame = randomBytes(60 + ((i * 97) % (largest - 59)));
    frame.writeUInt32BE(i, 14);
    return frame;
  });
}

async function receive(port: NetPort, queue: number, count: number): Promise<Buffer[]> {
  const frames: Buffer[] = [];
  for await (const frame of port.packets({ queue, signal: AbortSignal.timeout(30_000) })) {
    if (frames.push(Buffer.from(frame)) === count) break;
  }
  return frames;
}

export async function exchange(port: NetPort, queue: number, frames: readonly Buffer[]) {
  const receiving = receive(port, queue, frames.length);
  for (const frame of frames) await port.send(frame, { queue });
  const received = await receiving;
  return { received: received.length, same: received.every((frame, i) => frame.equals(frames[i])) };
}

export interface Traffic {
  readonly devargs: string;
  readonly card: CardOptions;
  /** For each queue pair. */
  readonly frames: number;
  /** How often the port is opened. */
  readonly rounds: number;
}

/** Plugs a card in, has frames of many sizes go through ports on it and back, and takes it away. */
export async function carry({ devargs, card, frames, rounds }: Traffic) {
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
