// Ports that leave datagrams to be made of a packet (USO) to a backend, which passes them on as they are, or makes them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { HDR_F_NEEDS_CSUM, HDR_GSO_UDP_L4, type NetPort, type OffloadOptions, PacketBurst } from '@vio/net';
import { readFrames, writeFrames } from '@vio/net/testing';
import { privatePool } from '@vio/rings/testing';
import { isCompleteDatagram, transportOf, udpDatagram } from '@vio/test-support';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { afterAll, describe, expect, it } from 'vitest';

const directory = mkdtempSync(join(tmpdir(), 'vio-datagrams-'));
afterAll(() => rmSync(directory, { recursive: true }));

const payload = 20_000;
const size = 1400;
let serial = 0;

interface Card {
  readonly packed: boolean;
  readonly mergeable: boolean;
  readonly offloads: OffloadOptions;
}

/** Two cards on a wire of the backend. */
async function linked(cards: readonly [Card, Card]) {
  const path = join(directory, `${serial++}.sock`);
  const driver = VhostDriver.register(path);
  const devices: VhostDevice[] = [];
  driver.callbacks({ newDevice: (device) => void devices.push(device) });
  await driver.start();
  const ports: VirtioUserPort[] = [];
  for (const [i, { packed, mergeable, offloads }] of cards.entries()) {
    ports.push(await openVirtioUser({ path, packed_vq: packed, mrg_rxbuf: mergeable }, { offloads }));
    while (devices.length <= i) await turn();
  }
  const pool = privatePool(256);
  const burst = new PacketBurst(32, { offloads: true });
  const pass = (from: VhostDevice, to: VhostDevice): void => {
    from.dequeueBurst(1, pool, burst);
    to.enqueueBurst(0, burst);
    burst.release();
  };
  return {
    ports,
    pass: () => {
      pass(devices[0], devices[1]);
      pass(devices[1], devices[0]);
    },
    kept: () => pool.count - pool.free,
    dropped: () => devices.flatMap((device) => [0, 1].map((ring) => device.vringStats(ring).errors)),
    async [Symbol.asyncDispose]() {
      for (const port of ports) await port.close();
      await driver.close();
    },
  };
}

/** Sends a packet of which datagrams are to be made. */
function send(port: NetPort, version: 4 | 6, seed: number): Uint8Array {
  const burst = port.burst(1);
  const sent = udpDatagram(version, payload, seed);
  writeFrames(port.pool, burst, [sent]);
  if (burst.offloads === undefined) throw new TypeError('the port has offloads');
  burst.offloads.flags[0] = HDR_F_NEEDS_CSUM;
  burst.offloads.gsoType[0] = HDR_GSO_UDP_L4;
  burst.offloads.segmentSize[0] = size;
  expect([port.tx[0].prepare(burst), port.tx[0].send(burst)]).toEqual([1, 1]);
  return sent;
}

interface Got {
  readonly bytes: Uint8Array;
  /** What is left to do. */
  readonly said: readonly number[];
}

/** What comes within some turns. */
async function receive(port: NetPort, pass: () => void): Promise<Got[]> {
  const got: Got[] = [];
  const burst = port.burst(32);
  for (let i = 0; i < 50; i++) {
    pass();
    port.rx[0].receive(burst);
    const { flags, gsoType, segmentSize } = burst.offloads ?? {};
    for (const [k, bytes] of readFrames(burst).entries())
      got.push({ bytes, said: [flags?.[k] ?? 0, gsoType?.[k] ?? 0, segmentSize?.[k] ?? 0] });
    burst.release();
    await turn();
  }
  return got;
}

const formats = [
  ['split', false, false],
  ['packed', true, true],
  ['split, to packed', false, true],
  ['packed, to split', true, false],
] as const;

describe.each(formats)('ports with rings that are %s', (_, near, far) => {
  it.each([4, 6] as const)('exchange packets of datagrams over IPv%i whole, both ways', async (version) => {
    const offloads = { uso: true, uro: true };
    await using wire = await linked([
      { packed: near, mergeable: true, offloads },
      { packed: far, mergeable: true, offloads },
    ]);
    for (const [from, to] of [wire.ports, wire.ports.toReversed()]) {
      const sent = send(from, version, serial);
      const [first, ...others] = await receive(to, wire.pass);
      expect([first.said, others]).toEqual([[HDR_F_NEEDS_CSUM, HDR_GSO_UDP_L4, size], []]);
      expect(first.bytes).toEqual(sent);
    }
    expect([wire.kept(), wire.dropped()]).toEqual([0, [0, 0, 0, 0]]);
  });

  it.each([
    [4, true],
    [4, false],
    [6, true],
    [6, false],
  ] as const)(
    'have them made of it over IPv%i by the backend, both ways, mergeable=%s',
    async (version, mergeable) => {
      const offloads = { uso: true };
      await using wire = await linked([
        { packed: near, mergeable, offloads },
        { packed: far, mergeable, offloads },
      ]);
      const start = transportOf(version);
      for (const [from, to] of [wire.ports, wire.ports.toReversed()]) {
        const sent = send(from, version, serial);
        const got = await receive(to, wire.pass);
        expect(got.map(({ bytes }) => bytes.length - start - 8)).toEqual([
          ...Array.from({ length: Math.floor(payload / size) }, () => size),
          payload % size,
        ]);
        expect(
          got.every(({ bytes, said }) => said[0] !== HDR_F_NEEDS_CSUM && isCompleteDatagram(bytes, version)),
        ).toBe(true);
        expect(Buffer.concat(got.map(({ bytes }) => bytes.subarray(start + 8)))).toEqual(
          Buffer.from(sent.subarray(start + 8)),
        );
      }
      expect([wire.kept(), wire.dropped()]).toEqual([0, [0, 0, 0, 0]]);
    },
  );
});
