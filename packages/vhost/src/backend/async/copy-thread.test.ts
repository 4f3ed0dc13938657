import { PacketBurst, VIRTIO_NET_F_MRG_RXBUF } from '@vio/net';
import { readFrames } from '@vio/net/testing';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { failureOf } from '@vio/test-support';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { packet, packetPool, packetsOf, sendFrom, supply } from '../../test-support/packets.ts';
import { Pair } from '../../test-support/pair.ts';
import { frontendRequests as requests } from '../../wire/index.ts';
import { CopyThread } from './copy-thread.ts';
import { dmaConfigure, dmaUnconfigure } from './dma-configure.ts';

const flags = { asyncCopy: true, lock: false };
const header = 12;
const cases = ['native', 'typescript'].flatMap((kernels) =>
  (['split', 'packed'] as const).map((format) => [kernels, format] as const),
);

describe.each(cases)('a copy thread (%s), %s', (kernels, format) => {
  let engine: CopyThread;
  beforeEach(() => {
    vi.stubEnv('VIO_KERNELS', kernels);
    engine = CopyThread.create();
    dmaConfigure(engine);
  });
  afterEach(() => {
    dmaUnconfigure(engine);
    vi.unstubAllEnvs();
  });

  const features =
    VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF | (format === 'packed' ? VIRTIO_F_RING_PACKED : 0n);
  const start = () => Pair.start({ flags, guest: { size: 64, features, ring: { format } } });

  it('brings packets to a driver, and its own back to the application', async () => {
    await using pair = await start();
    const { device, guest } = pair;
    const [rx] = guest.rings;
    const pool = packetPool(64);
    const burst = new PacketBurst(64);
    device.asyncChannelRegister(0, { engine, inOrder: true });
    for (let round = 0; round < 4; round++) {
      const places = Array.from({ length: 9 }, () => supply(rx, 2048));
      const lengths = [60, 9000, 61 + round, 3000];
      const contents = lengths.map((bytes, i) => packet(bytes, round + i));
      expect(device.submitEnqueueBurst(0, packetsOf(pool, ...contents))).toBe(4);
      for (let back = 0; back < 4;) {
        back += device.pollEnqueueCompleted(0, burst);
        burst.release();
      }
      const used = rx.used().map(({ length }) => length);
      const bytes = used.map((length, i) => rx.memory.read(places[i], length));
      const whole = [bytes.slice(0, 1), bytes.slice(1, 6), bytes.slice(6, 7), bytes.slice(7)];
      for (const [i, parts] of whole.entries())
        expect(Buffer.compare(Buffer.concat(parts).subarray(header), contents[i])).toBe(0);
    }
    expect(pool.free).toBe(64);
    device.asyncChannelUnregister(0);
  });

  it("takes a driver's packets, of all sizes", async () => {
    await using pair = await start();
    const { device, guest } = pair;
    const [, tx] = guest.rings;
    const pool = packetPool(64);
    const burst = new PacketBurst(64);
    device.asyncChannelRegister(1, { engine, inOrder: true });
    const contents = Array.from({ length: 20 }, (_, i) => packet(60 + 457 * i, i));
    for (const content of contents) sendFrom(tx, content);
    const got: Uint8Array[] = [];
    while (got.length < contents.length) {
      device.tryDequeueBurst(1, pool, burst);
      got.push(...readFrames(burst));
      burst.release();
    }
    for (const [i, content] of contents.entries()) expect(Buffer.compare(got[i], content)).toBe(0);
    expect([tx.used().length, pool.free, device.asyncGetInflight(1)]).toEqual([20, 64, 0]);
    device.asyncChannelUnregister(1);
  });

  it('has done all of it when a ring stops', async () => {
    await using pair = await start();
    const { device, guest, frontend } = pair;
    const [rx] = guest.rings;
    const pool = packetPool(64);
    device.asyncChannelRegister(0, { engine, inOrder: true });
    const places = Array.from({ length: 30 }, () => supply(rx, 2048));
    const contents = places.map((_, i) => packet(1500, i));
    device.submitEnqueueBurst(0, packetsOf(pool, ...contents));
    await frontend.ask(requests.GET_VRING_BASE, { index: 0, value: 0 });
    expect(rx.used().length).toBe(30);
    for (const [i, at] of places.entries())
      expect(Buffer.compare(rx.memory.read(at + header, 1500), contents[i])).toBe(0);
    const burst = new PacketBurst(64);
    expect(device.clearQueue(0, burst)).toBe(30);
    device.asyncChannelUnregister(0);
  });
});

it('a copy thread spins as long as there is time', () => {
  for (const spin of [-1, Number.NaN, 1e10])
    expect(failureOf(() => CopyThread.create({ spin }))).toMatchObject({ code: 'VIO_OPTION_VALUE' });
});
