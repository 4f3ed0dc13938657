// A stream between two ports, each on a backend in this process.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HDR_F_NEEDS_CSUM, HDR_GSO_TCPV4, type OffloadOptions, PacketBurst, VLAN_PRESENT } from '@vio/net';
import { readFrames, writeFrames } from '@vio/net/testing';
import { BufferPool, Region } from '@vio/rings';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ipv4Frame, transport } from '../test-support/frames.ts';
import { noCounts } from './counts.ts';
import { forwarding } from './engine.ts';
import { Stream, type StreamEnd } from './stream.ts';

const addresses = { own: new Uint8Array(6), peer: new Uint8Array(6) };
let directory: string;
const undo: (() => Promise<void>)[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vio-stream-'));
});
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
  rmSync(directory, { recursive: true });
});

/** A port, and the other side of it. */
interface Wired {
  readonly port: VirtioUserPort;
  readonly device: VhostDevice;
}

async function wired(number: number, offloads: OffloadOptions): Promise<Wired> {
  const path = join(directory, `${number}.sock`);
  const driver = VhostDriver.register(path);
  undo.push(() => driver[Symbol.asyncDispose]());
  const device = new Promise<VhostDevice>((newDevice) => driver.callbacks({ newDevice }));
  await driver.start();
  const port = await openVirtioUser({ path }, { offloads, portNumber: number });
  undo.push(() => port.close());
  return { port, device: await device };
}

const endOf = ({ port }: Wired, number: number): StreamEnd => ({
  port: number,
  queue: 0,
  rx: port.rx[0],
  tx: port.tx[0],
  features: port.features,
});

const pool = new BufferPool({ region: new Region(new ArrayBuffer(64 * 4096)), offset: 0, count: 64 });
const here = [10, 0, 0, 1];
const there = [10, 0, 0, 2];
const data = Array.from({ length: 200 }, (_, i) => i);
const whole = ipv4Frame({
  protocol: 6,
  from: here,
  to: there,
  payload: transport('tcp', [1, 2], data, [...here, ...there]),
});
const tcpAt = 34;

/** With the sum of the pseudo-header alone where the checksum belongs: the rest is left to whoever gets it. */
function partial(): number[] {
  const length = 20 + data.length;
  let sum = 6 + length;
  for (const address of [here, there]) sum += address[0] * 256 + address[1] + address[2] * 256 + address[3];
  return whole.map((byte, i) => (i === tcpAt + 16 ? sum >>> 8 : i === tcpAt + 17 ? sum & 0xff : byte));
}

/** Has the first port receive a packet whose checksum is left open, and forward it. @returns what the other side of the second gets */
function pass(from: Wired, to: Wired, gsoType = 0): { frames: number[][]; flags: number; dropped: number } {
  const burst = new PacketBurst(1, { offloads: true });
  writeFrames(pool, burst, [Uint8Array.from(partial())]);
  const { offloads } = burst;
  if (offloads === undefined) throw new Error('the burst has no place for offloads');
  offloads.clear(0);
  offloads.flags[0] = HDR_F_NEEDS_CSUM;
  offloads.checksumStart[0] = tcpAt;
  offloads.checksumOffset[0] = 16;
  offloads.gsoType[0] = gsoType;
  offloads.segmentSize[0] = gsoType === 0 ? 0 : 100;
  offloads.headerLength[0] = gsoType === 0 ? 0 : tcpAt + 20;
  expect(from.device.enqueueBurst(0, burst, 0, 1)).toBe(1);
  burst.release();
  const stream = new Stream({ name: 'q0', from: endOf(from, 0), to: endOf(to, 1), addresses });
  const counts = noCounts();
  forwarding()(stream, new PacketBurst(32, { offloads: true, vlan: true }), counts);
  expect(counts.received).toBe(1);
  const got = new PacketBurst(4, { offloads: true });
  to.device.dequeueBurst(1, pool, got);
  const frames = readFrames(got).map((bytes) => [...bytes]);
  const flags = got.count === 0 ? 0 : (got.offloads?.flags[0] ?? 0);
  got.release();
  return { frames, flags, dropped: counts.dropped };
}

describe('a packet whose checksum was left open', () => {
  it('has it made where the other device does not', async () => {
    const passed = pass(await wired(0, { rxChecksum: true }), await wired(1, {}));
    expect(passed).toMatchObject({ frames: [whole], dropped: 0 });
  });

  it('goes on as it is to a device that makes it', async () => {
    const passed = pass(await wired(0, { rxChecksum: true }), await wired(1, { txChecksum: true }));
    expect(passed).toMatchObject({ frames: [partial()], dropped: 0 });
    expect(passed.flags & HDR_F_NEEDS_CSUM).toBe(HDR_F_NEEDS_CSUM);
  });

  it('that was put together goes only to a device that cuts it', async () => {
    const from = await wired(0, { lro: true });
    const cuts = pass(from, await wired(1, { tso: true }), HDR_GSO_TCPV4);
    expect([cuts.frames.length, cuts.dropped]).toEqual([1, 0]);
    const cannot = pass(from, await wired(2, { txChecksum: true }), HDR_GSO_TCPV4);
    expect(cannot).toMatchObject({ frames: [], dropped: 1 });
  });
});

it('packets leave in the VLAN that their port was told', async () => {
  const [from, to] = [await wired(0, {}), await wired(1, {})];
  await to.port.setVlanOffload({ insert: true });
  const burst = new PacketBurst(32, { offloads: true, vlan: true });
  writeFrames(pool, burst, [Uint8Array.from(whole)]);
  from.device.enqueueBurst(0, burst);
  burst.release();
  const tag = VLAN_PRESENT | 0x123;
  const stream = new Stream({ name: 'q0', from: endOf(from, 0), to: endOf(to, 1), addresses, tag });
  forwarding()(stream, burst, noCounts());
  const got = new PacketBurst(4);
  to.device.dequeueBurst(1, pool, got);
  const [frame] = readFrames(got);
  got.release();
  expect([...frame]).toEqual([...whole.slice(0, 12), 0x81, 0, 0x01, 0x23, ...whole.slice(12)]);
});
