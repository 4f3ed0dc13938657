// Hosts on the ports of a switch, which say who they are by numbers: station 258 is 02:00:00:00:01:02.
import { setImmediate as turn } from 'node:timers/promises';
import type { PacketBurst } from '@vio/net';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';

export const burstSize = 32;
const length = 64;

export interface Host {
  readonly port: VirtioUserPort;
  readonly burst: PacketBurst;
}

/** @param sending buffers besides those that wait for frames: what it can have on its way */
export async function openHost(path: string, queueSize: number, sending = burstSize): Promise<Host> {
  const port = await openVirtioUser(
    { path, queue_size: queueSize },
    { memory: { buffers: queueSize + sending } },
  );
  return { port, burst: port.burst(burstSize) };
}

/** A burst of frames, as far as there is room. @param to number of the station that frame `k` goes to @param from and comes from */
export function send({ port, burst }: Host, to: (k: number) => number, from: (k: number) => number): number {
  const { u8 } = port.pool.region;
  burst.allocate(port.pool, burstSize, length);
  for (let k = 0; k < burst.count; k++) {
    address(u8, burst.offset[k], to(k));
    address(u8, burst.offset[k] + 6, from(k));
  }
  const taken = port.tx[0].send(burst);
  burst.release(taken);
  return taken;
}

function address(u8: Uint8Array, at: number, number: number): void {
  u8[at] = 2;
  u8[at + 1] = 0;
  u8[at + 2] = number >>> 24;
  u8[at + 3] = number >>> 16;
  u8[at + 4] = number >>> 8;
  u8[at + 5] = number;
}

/** Everything the hosts have got is thrown away. @returns how many frames */
export function receive(hosts: readonly Host[]): number {
  let frames = 0;
  for (const { port, burst } of hosts) {
    for (let got = 0; (got = port.rx[0].receive(burst)) > 0; frames += got) burst.release();
  }
  return frames;
}

/** Until nothing comes any more. @returns how many frames have come */
export async function drained(hosts: readonly Host[]): Promise<number> {
  let frames = 0;
  for (let quiet = 0; quiet < 3;) {
    await turn();
    const got = receive(hosts);
    quiet = got === 0 ? quiet + 1 : 0;
    frames += got;
  }
  return frames;
}
