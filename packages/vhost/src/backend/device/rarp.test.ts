import { PacketBurst } from '@vio/net';
import { rarpFrame } from '@vio/net/internal';
import { readFrames } from '@vio/net/testing';
import { BufferPool, Region, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { frontendRequests as requests } from '../../wire/index.ts';
import type { VhostDriverFlags } from '../driver/driver-flags.ts';
import { packet, packetPool, sendFrom } from '../../test-support/packets.ts';
import { Pair } from '../../test-support/pair.ts';
import { handled } from '../../test-support/test-backend.ts';

const mac = '02:00:00:00:00:05';
const formats = [
  ['split', VIRTIO_F_VERSION_1],
  ['packed', VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED],
] as const;

/** SEND_RARP has the address in its first six bytes. */
async function sendRarp({ frontend }: Pair, lastByte = 5n): Promise<void> {
  await frontend.send(requests.SEND_RARP, 2n | (lastByte << 40n));
  await handled(frontend);
}

const smallPool = (dataRoom: number, count = 8): BufferPool =>
  new BufferPool({ region: new Region(new ArrayBuffer(0x4000)), offset: 0, count, dataRoom, headroom: 16 });

describe.each(formats)('SEND_RARP to a device with %s rings', (format, features) => {
  const start = (flags: VhostDriverFlags = {}): Promise<Pair> =>
    Pair.start({ flags, guest: { features, ring: { format } } });

  it('makes the next burst the packet that tells where the driver is, and the ones behind it those of the driver', async () => {
    await using pair = await start();
    const announced: string[] = [];
    pair.backend.driver.callbacks({ announced: (_, address) => announced.push(address) });
    sendFrom(pair.guest.rings[1], packet(60, 1));
    await sendRarp(pair);
    expect(pair.receive()).toEqual([rarpFrame(mac)]);
    expect(pair.receive()).toEqual([packet(60, 1)]);
    expect(pair.receive()).toEqual([]);
    expect(announced).toEqual([mac]);
    expect(pair.device.vringStats(1)).toMatchObject({
      good_packets: 2,
      good_bytes: 120,
      broadcast_packets: 1,
    });
  });

  it('is done once, with the last address, however often it came', async () => {
    await using pair = await start();
    for (const last of [1n, 2n, 5n]) await sendRarp(pair, last);
    expect([pair.receive(), pair.receive()]).toEqual([[rarpFrame(mac)], []]);
    await sendRarp(pair);
    expect(pair.receive()).toEqual([rarpFrame(mac)]);
  });

  it('waits for a buffer, and for a ring', async () => {
    await using pair = await start();
    const { device, frontend } = pair;
    const pool = packetPool(1);
    const burst = new PacketBurst(4, { offloads: true });
    const held = new PacketBurst(1);
    held.allocate(pool, 1, 60);
    await frontend.send(requests.SET_VRING_ENABLE, { index: 1, value: 0 });
    await sendRarp(pair);
    expect(pair.receive()).toEqual([]);
    await frontend.send(requests.SET_VRING_ENABLE, { index: 1, value: 1 });
    await handled(frontend);
    expect([device.dequeueBurst(1, pool, burst), device.dequeueBurst(1, pool, burst, 0)]).toEqual([0, 0]);
    held.release();
    burst.offloads?.flags.fill(1);
    expect(device.dequeueBurst(1, pool, burst)).toBe(1);
    expect([readFrames(burst), burst.offloads?.flags[0]]).toEqual([[rarpFrame(mac)], 0]);
    burst.release();
    expect(pool.free).toBe(1);
  });

  it('ends a sleep, and keeps nobody awake whose ring does not run', async () => {
    await using pair = await start();
    const { device, frontend } = pair;
    const asleep = device.untilPackets();
    await sendRarp(pair);
    await asleep;
    await device.untilPackets();
    await frontend.send(requests.SET_VRING_ENABLE, { index: 1, value: 0 });
    await handled(frontend);
    const end = new AbortController();
    let awake = false;
    const sleep = device.untilPackets({ signal: end.signal }).then(() => (awake = true));
    await handled(frontend);
    expect(awake).toBe(false);
    end.abort();
    await sleep;
  });

  it.each([
    ['lies in several small buffers', {}, [rarpFrame(mac)], 0],
    ['is dropped where packets have one buffer', { linearBuffers: true }, [], 1],
    ['is dropped where long packets have a large one', { externalBuffers: true }, [], 1],
  ])('%s', async (_, flags, expected, dropped) => {
    await using pair = await start(flags);
    await sendRarp(pair);
    const pool = smallPool(32);
    const burst = new PacketBurst(4);
    pair.device.dequeueBurst(1, pool, burst);
    expect(readFrames(burst)).toEqual(expected);
    burst.release();
    expect([pool.free, pair.device.vringStats(1)['dropped_no_room_packets']]).toEqual([8, dropped]);
    sendFrom(pair.guest.rings[1], packet(20, 3));
    expect(pair.receive()).toEqual([packet(20, 3)]);
  });
});
