// Ports that leave work to their device, on a backend that passes it on, or does it for who does not take it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { HDR_F_NEEDS_CSUM, HDR_GSO_TCPV4, type NetPort, type OffloadOptions, PacketBurst } from '@vio/net';
import { readFrames, writeFrames } from '@vio/net/testing';
import { privatePool } from '@vio/rings/testing';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { openVirtioUser } from '@vio/virtio-user';
import { isComplete, tcpSegment } from '@vio/test-support';
import { afterAll, describe, expect, it } from 'vitest';

const directory = mkdtempSync(join(tmpdir(), 'vio-offloads-'));
afterAll(() => rmSync(directory, { recursive: true }));

const all: OffloadOptions = {
  rxChecksum: true,
  txChecksum: true,
  lro: true,
  tso: true,
  uro: true,
  uso: true,
};

/** Two ports, and a backend between them that passes on what the first one sends. */
async function linked(name: string, offloads: OffloadOptions, told: boolean, packed: number) {
  const path = join(directory, `${name}.sock`);
  const driver = VhostDriver.register(path);
  const devices: VhostDevice[] = [];
  driver.callbacks({ newDevice: (device) => void devices.push(device) });
  await driver.start();
  const a = await openVirtioUser({ path, packed_vq: packed === 1 }, { offloads: all });
  const b = await openVirtioUser({ path, packed_vq: packed === 1 }, { offloads });
  while (devices.length < 2) await turn();
  const pool = privatePool(256);
  const burst = new PacketBurst(32, { offloads: told });
  return {
    a,
    b,
    pass: () => {
      devices[0].dequeueBurst(1, pool, burst);
      devices[1].enqueueBurst(0, burst);
      burst.release();
    },
    buffers: () => pool.count - pool.free,
    async [Symbol.asyncDispose]() {
      await a.close();
      await b.close();
      await driver.close();
    },
  };
}

/** Sends a segment that is to be cut, or completed. */
function send(port: NetPort, payload: number, size: number): void {
  const burst = port.burst(1);
  const bytes = tcpSegment(payload);
  writeFrames(port.pool, burst, [bytes]);
  if (burst.offloads === undefined) throw new TypeError('the port has offloads');
  burst.offloads.flags[0] = HDR_F_NEEDS_CSUM;
  burst.offloads.gsoType[0] = size > 0 ? HDR_GSO_TCPV4 : 0;
  burst.offloads.segmentSize[0] = size;
  expect([port.tx[0].prepare(burst), port.tx[0].send(burst)]).toEqual([1, 1]);
}

/** What comes within some turns. */
async function receive(port: NetPort, pass: () => void) {
  const got: { bytes: Uint8Array; flags: number; type: number; size: number }[] = [];
  const burst = port.burst(32);
  for (let i = 0; i < 50; i++) {
    pass();
    port.rx[0].receive(burst);
    for (const [k, bytes] of readFrames(burst).entries()) {
      const { flags, gsoType, segmentSize } = burst.offloads ?? {};
      got.push({
        bytes,
        flags: flags?.[k] ?? 0,
        type: gsoType?.[k] ?? 0,
        size: segmentSize?.[k] ?? 0,
      });
    }
    burst.release();
    await turn();
  }
  return got;
}

describe.each([0, 1])('ports with packed_vq=%i on a backend', (packed) => {
  it('have all six offloads, and large packets pass whole', async () => {
    await using link = await linked(`whole${packed}`, all, true, packed);
    send(link.a, 30_000, 1448);
    const got = await receive(link.b, link.pass);
    expect(got.map(({ bytes, flags, type, size }) => [bytes.length, flags, type, size])).toEqual([
      [30_054, HDR_F_NEEDS_CSUM, HDR_GSO_TCPV4, 1448],
    ]);
    expect([got[0].bytes.subarray(54), link.buffers()]).toEqual([tcpSegment(30_000).subarray(54), 0]);
  });

  it.each([true, false])('get segments that are complete when they have none, told=%s', async (told) => {
    await using link = await linked(`cut${packed}${told}`, {}, told, packed);
    send(link.a, 30_000, 1448);
    send(link.a, 500, 0);
    const got = await receive(link.b, link.pass);
    expect(got.map(({ bytes }) => bytes.length)).toEqual([
      ...Array.from({ length: 20 }, () => 1502),
      54 + (30_000 % 1448),
      554,
    ]);
    expect(got.every(({ bytes }) => isComplete(bytes))).toBe(true);
    expect([Buffer.concat(got.slice(0, -1).map(({ bytes }) => bytes.subarray(54))), link.buffers()]).toEqual([
      Buffer.from(tcpSegment(30_000).subarray(54)),
      0,
    ]);
  });
});
