// UDP segmentation offload, both ways: what travels as one frame are several datagrams at the kernel's sockets.
import { execFile } from 'node:child_process';
import { type Socket, createSocket } from 'node:dgram';
import { promisify } from 'node:util';
import { HDR_F_NEEDS_CSUM, HDR_GSO_UDP_L4, type NetPort } from '@vio/net';
import { openVirtioUser } from '@vio/virtio-user';
import { until } from '@vio/test-support/plain';
import { ip, sh } from '../commands.ts';
import { udpFrame, udpPayload, uniquePayload } from '../udp-frames.ts';

const here = '10.5.0.2';
const kernel = '10.5.0.1';
const udpPort = 7000;
const segmentSize = 600;
const payload = uniquePayload(1, 3 * segmentSize);
const patience = 20_000;

/** A process that sends the bytes on its stdin as datagrams of `segmentSize`: the kernel cuts them (UDP_SEGMENT). */
const sender = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_UDP, 103, ${segmentSize})
s.sendto(sys.stdin.buffer.read(), ("${here}", ${udpPort}))
`;

export async function exchangeDatagrams() {
  const offloads = { uso: true, uro: true };
  await using port = await openVirtioUser('net_virtio_user0,path=/dev/vhost-net,iface=tap0', { offloads });
  ip([`addr add ${kernel}/24 dev tap0`, 'link set tap0 up', `neigh add ${here} lladdr ${port.mac} dev tap0`]);
  return { toKernel: await towardsKernel(port), fromKernel: await fromTheKernel(port) };
}

/** @returns the datagrams that one frame became, and whether they are what it carried */
async function towardsKernel(port: NetPort) {
  const [, toMac] = /link\/ether (\S+)/.exec(await sh('ip link show tap0')) ?? [];
  const socket = createSocket('udp4');
  const received: Buffer[] = [];
  socket.on('message', (datagram) => received.push(datagram));
  await new Promise<void>((bound) => socket.bind(udpPort, kernel, bound));
  sendOne(port, udpFrame({ fromMac: port.mac, toMac, from: here, to: kernel, port: udpPort }, payload));
  await until(() => received.length >= 3, patience);
  await closed(socket);
  return { datagrams: received.map(({ length }) => length), same: Buffer.concat(received).equals(payload) };
}

/** @returns what arrived of the kernel's datagrams: one frame, with what its header says */
async function fromTheKernel(port: NetPort) {
  const running = promisify(execFile)('python3', ['-c', sender]);
  running.child.stdin?.end(payload);
  const burst = port.burst();
  const seen: { bytes: number; gsoType: number; segmentSize: number; same: boolean }[] = [];
  await until(() => {
    port.rx[0].receive(burst);
    for (let i = 0; i < burst.count; i++) {
      const frame = port.region.u8.slice(burst.offset[i], burst.offset[i] + burst.length[i]);
      const carried = udpPayload(frame, udpPort);
      if (carried === undefined || burst.offloads === undefined) continue;
      const { gsoType, segmentSize: size } = burst.offloads;
      const same = Buffer.compare(carried, payload) === 0;
      seen.push({ bytes: carried.length, gsoType: gsoType[i], segmentSize: size[i], same });
    }
    burst.release();
    return seen.length > 0;
  });
  await running;
  return seen;
}

function sendOne(port: NetPort, frame: Uint8Array): void {
  const burst = port.burst();
  burst.allocate(port.pool, 1, frame.length);
  port.region.u8.set(frame, burst.offset[0]);
  if (burst.offloads === undefined) throw new Error('the port has no offloads');
  burst.offloads.flags[0] = HDR_F_NEEDS_CSUM;
  burst.offloads.gsoType[0] = HDR_GSO_UDP_L4;
  burst.offloads.segmentSize[0] = segmentSize;
  if (port.tx[0].prepare(burst) !== 1 || port.tx[0].send(burst) !== 1) throw new Error('not sent');
}

const closed = (socket: Socket): Promise<void> => new Promise((resolve) => socket.close(() => resolve()));
