// UDP that is left to the receiver, to a plain Linux kernel: large datagrams go to it whole (UFO) or in fragments, which it puts
// together, and packets of datagrams (USO), which its driver does not take, as datagrams.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  HDR_F_NEEDS_CSUM,
  HDR_GSO_UDP,
  HDR_GSO_UDP_L4,
  PacketBurst,
  VIRTIO_NET_F_GUEST_UFO,
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_MRG_RXBUF,
} from '@vio/net';
import { writeFrames } from '@vio/net/testing';
import { VIRTIO_F_RING_PACKED } from '@vio/rings';
import { privatePool } from '@vio/rings/testing';
import { udpDatagram } from '@vio/test-support';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { beforeAll, describe, expect, it } from 'vitest';
import { Station } from '../support/station.ts';
import { repository, runInUml } from './uml.ts';

const ours = '10.1.0.1';
const theirs = '10.1.0.2';
const mac = '02:00:00:00:00:07';
const payload = 20_000;
/** Bytes in a fragment, and in a datagram. */
const unit = 1400;
const udpHeader = 8;

/** Both kinds of work, each on a port of its own. */
const kinds = { ufo: { port: 4000, type: HDR_GSO_UDP }, uso: { port: 4001, type: HDR_GSO_UDP_L4 } } as const;

const frameTo = (port: number): Uint8Array =>
  udpDatagram(4, payload, port, (frame) => {
    frame.set(mac.split(':').map((byte) => Number.parseInt(byte, 16)));
    frame.set([2, 0, 0, 0, 0, 0xfe], 6);
    frame[22] = 64;
    frame.set(
      [theirs, ours].flatMap((address) => address.split('.').map(Number)),
      26,
    );
    frame.set([port >> 8, port & 0xff, port >> 8, port & 0xff], 34);
  });
const contentOf = (port: number): Uint8Array => frameTo(port).subarray(34 + udpHeader);

/** Sends a datagram whose rest is left to the driver. */
function send(device: VhostDevice, port: number): void {
  const pool = privatePool(32);
  const burst = new PacketBurst(1, { offloads: true });
  writeFrames(pool, burst, [frameTo(port)]);
  const { offloads } = burst;
  if (offloads === undefined) throw new TypeError('it has some');
  offloads.flags[0] = HDR_F_NEEDS_CSUM;
  offloads.gsoType[0] = port === kinds.ufo.port ? kinds.ufo.type : kinds.uso.type;
  offloads.headerLength[0] = 34 + udpHeader;
  offloads.segmentSize[0] = unit;
  offloads.checksumStart[0] = 34;
  offloads.checksumOffset[0] = 6;
  device.enqueueBurst(0, burst);
  burst.release();
}

const sink = (port: number): string =>
  `node ${repository}/test/dist/uml/guest/udp-sink.js ${theirs} ${port} ${payload}`;
const steps = {
  up: `ip address add ${ours}/24 dev eth0; ip link set eth0 up`,
  ufo: sink(kinds.ufo.port),
  uso: sink(kinds.uso.port),
  // Fragments put together, and in vain; errors and wrong checksums of UDP.
  sums: `awk '/^Ip: [0-9]/ { made = $16; failed = $17 } /^Udp: [0-9]/ { wrong = $4 + $8 } END { print made, failed, wrong }' /proc/net/snmp`,
};

async function run(without: bigint) {
  const directory = mkdtempSync(join(tmpdir(), 'vio-uml-datagrams-'));
  const socket = join(directory, 'vhost.sock');
  const backend = VhostDriver.register(socket);
  const devices: VhostDevice[] = [];
  /** What should not happen. */
  const troubles: string[] = [];
  const sent = new Set<number>();
  /** Packets that were not delivered. */
  let errors: number | undefined;
  const station = new Station(theirs, (port) => {
    if (!sent.has(port)) send(devices[0], port);
    sent.add(port);
  });
  backend.setQueueNum(1);
  backend.disableFeatures(without);
  backend.setNetConfig({ mac });
  backend.callbacks({
    newConnection: (device) => {
      devices.push(device);
      station.serve(device);
    },
    destroyDevice: (device) => {
      ({ errors } = device.vringStats(0));
    },
    refused: (_, { code, message }) => troubles.push(`${code}: ${message}`),
    broken: (_, queue, { code, detail }) => troubles.push(`ring ${queue}: ${code}, ${detail}`),
  });
  await backend.start();
  try {
    const results = await runInUml([socket], steps);
    const [{ features }] = devices;
    return { results, features, troubles, errors };
  } finally {
    station.stop();
    await backend.close();
    rmSync(directory, { recursive: true });
  }
}

const split = VIRTIO_F_RING_PACKED;
const notMergeable = VIRTIO_NET_F_MRG_RXBUF;
describe.each([
  ['split rings that takes large datagrams', split, true],
  ['packed rings that takes large datagrams, without mergeable buffers', notMergeable, true],
  [
    'split rings that does not, without mergeable buffers',
    split | notMergeable | VIRTIO_NET_F_GUEST_UFO,
    false,
  ],
  ['packed rings that does not', VIRTIO_NET_F_GUEST_UFO, false],
])('a plain Linux kernel with %s', (_, without, whole) => {
  let guest: Awaited<ReturnType<typeof run>>;
  beforeAll(async () => {
    guest = await run(without);
  });
  const received = (step: 'ufo' | 'uso'): unknown => JSON.parse(guest.results[step].said);
  const hashOf = (port: number): string => createHash('sha256').update(contentOf(port)).digest('hex');

  it('has negotiated that', () => {
    const has = (bit: bigint): boolean => (guest.features & bit) !== 0n;
    expect([
      has(VIRTIO_NET_F_GUEST_UFO),
      has(VIRTIO_NET_F_GUEST_USO4),
      has(without & ~VIRTIO_NET_F_GUEST_UFO),
    ]).toEqual([whole, false, false]);
  });

  it('gets a large datagram, bit for bit', () => {
    expect(received('ufo')).toEqual({ lengths: [payload], hash: hashOf(kinds.ufo.port) });
  });

  it('gets the datagrams of a packet of them, bit for bit', () => {
    const full = Array.from({ length: Math.floor(payload / unit) }, () => unit);
    expect(received('uso')).toEqual({ lengths: [...full, payload % unit], hash: hashOf(kinds.uso.port) });
  });

  it('has put fragments together where it takes none whole, and found nothing wrong', () => {
    expect(guest.results.sums).toEqual({ said: `${whole ? 0 : 1} 0 0`, exitCode: 0 });
    expect([guest.errors, guest.troubles]).toEqual([0, []]);
  });
});
