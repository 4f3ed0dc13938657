import { VIRTIO_NET_F_MRG_RXBUF } from '@vio/net';
import { readFrames } from '@vio/net/testing';
import { BufferPool, Region, poolStride } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { AsyncSetup, formats, header } from '../../test-support/async-setup.ts';
import { packet, packetsOf, sendFrom, supply } from '../../test-support/packets.ts';
import type { PairOptions } from '../../test-support/pair.ts';
import { handled } from '../../test-support/test-backend.ts';
import type { StubEngineOptions } from '../../testing/stub-engine.ts';
import { frontendRequests as requests } from '../../wire/index.ts';
import { dmaUnconfigure } from './dma-configure.ts';

describe.each(formats)('%s: packets for a driver', (format, features) => {
  const start = (options: StubEngineOptions = {}, more: bigint = 0n, inOrder = true) =>
    AsyncSetup.start(options, { guest: { size: 16, features: features | more, ring: { format } } }, inOrder);

  it('arrive when the engine has copied them, and not before', async () => {
    await using setup = await start({ looks: 2 });
    const [rx] = setup.pair.guest.rings;
    const at = supply(rx, 2048);
    expect(setup.submit(packet(100, 1))).toBe(1);
    expect([setup.poll(), rx.used(), setup.device.asyncGetInflight(0)]).toEqual([[], [], 1]);
    expect(setup.poll()).toEqual([100]);
    expect(rx.used().map(({ length }) => length)).toEqual([header + 100]);
    expect([...rx.memory.read(at + header, 100)]).toEqual([...packet(100, 1)]);
    expect([setup.device.asyncGetInflight(0), setup.pool.free]).toEqual([0, 64]);
  });

  it('are reported in the order of submission, whatever the engine completes first', async () => {
    await using setup = await start({ reversed: true, step: 1 }, 0n, false);
    const [rx] = setup.pair.guest.rings;
    for (let i = 0; i < 4; i++) supply(rx, 2048);
    setup.submit(packet(61), packet(62), packet(63), packet(64));
    const polls = [setup.poll(), setup.poll(), setup.poll(), setup.poll()];
    expect(polls).toEqual([[], [], [], [61, 62, 63, 64]]);
    expect(rx.used().map(({ length }) => length - header)).toEqual([61, 62, 63, 64]);
    expect(setup.faults).toEqual([]);
  });

  it('are copied by this thread when the engine has no room, or fails', async () => {
    await using setup = await start({ room: 2, failEach: 2 });
    const [rx] = setup.pair.guest.rings;
    const places = [0, 1, 2, 3].map(() => supply(rx, 2048));
    expect(setup.submit(packet(61, 1), packet(62, 2), packet(63, 3), packet(64, 4))).toBe(4);
    expect([setup.engine.taken, setup.poll(), setup.engine.failed]).toEqual([2, [61, 62, 63, 64], 1]);
    for (const [i, at] of places.entries())
      expect([...rx.memory.read(at + header, 61 + i)]).toEqual([...packet(61 + i, 1 + i)]);
  });

  it('are as many as there are buffers', async () => {
    await using setup = await start({ looks: 2 });
    const [rx] = setup.pair.guest.rings;
    supply(rx, 2048);
    const burst = packetsOf(setup.pool, packet(61), packet(62));
    expect(setup.device.submitEnqueueBurst(0, burst)).toBe(1);
    expect([setup.device.asyncGetInflight(0), setup.device.submitEnqueueBurst(0, burst, 1)]).toEqual([1, 0]);
  });

  it('are spread over several buffers with MRG_RXBUF, from several segments', async () => {
    await using setup = await start({ looks: 2 }, VIRTIO_NET_F_MRG_RXBUF);
    const [rx] = setup.pair.guest.rings;
    const places = [0, 1, 2, 3, 4, 5].map(() => supply(rx, 1024));
    expect(setup.submit(packet(5000, 3), packet(60, 4))).toBe(2);
    expect([setup.poll(), rx.used()]).toEqual([[], []]);
    expect(setup.poll()).toEqual([5000, 60]);
    const used = rx.used().map(({ length }) => length);
    expect(used).toEqual([1024, 1024, 1024, 1024, 5000 + header - 4096, header + 60]);
    const bytes = places.slice(0, 5).flatMap((at, i) => [...rx.memory.read(at, used[i])]);
    expect(bytes.slice(0, header)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0]);
    expect(bytes.slice(header)).toEqual([...packet(5000, 3)]);
  });

  it.each([0, 2])(
    'have headers that say how many buffers they are in, %i bytes beside a word',
    async (beside) => {
      await using setup = await start({ looks: 2 }, VIRTIO_NET_F_MRG_RXBUF);
      const [rx] = setup.pair.guest.rings;
      const region = new Region(new ArrayBuffer(8 * poolStride(9216, 64)));
      const pool = new BufferPool({ region, offset: 0, count: 8, dataRoom: 9216, headroom: 64 });
      const room = 1024;
      const places = [0, 1, 2, 3, 4].map(() => {
        const address = rx.memory.alloc(room + beside) + beside;
        for (let k = 0; k < room; k++) rx.memory.setU8(address + k, 0xff);
        rx.expose([{ address, length: room, writable: true }]);
        return address;
      });
      const contents = [packet(room - header, 1), packet(60, 2), packet(2 * room, 3)];
      expect(setup.device.submitEnqueueBurst(0, packetsOf(pool, ...contents))).toBe(3);
      expect([setup.poll(), setup.poll()]).toEqual([[], contents.map(({ length }) => length)]);
      const used = rx.used().map(({ length }) => length);
      expect(used).toEqual([room, header + 60, room, room, header]);
      const bytes = used.map((length, i) => [...rx.memory.read(places[i], length)]);
      const head = (buffers: number): number[] => [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, buffers, 0];
      expect(bytes.slice(0, 2)).toEqual([
        [...head(1), ...contents[0]],
        [...head(1), ...contents[1]],
      ]);
      expect(bytes.slice(2).flat()).toEqual([...head(3), ...contents[2]]);
      expect([...rx.memory.read(places[4] + header, room - header)].every((byte) => byte === 0xff)).toBe(
        true,
      );
      expect(pool.free).toBe(8);
    },
  );

  it('that no buffer can hold are dropped, counted, and reported', async () => {
    await using setup = await start({ looks: 2 });
    const [rx] = setup.pair.guest.rings;
    supply(rx, 100);
    supply(rx, 2048);
    expect(setup.submit(packet(500), packet(60))).toBe(2);
    expect([setup.poll(), setup.poll()]).toEqual([[500], [60]]);
    expect(setup.device.queueStats(0)?.get('errors')).toBe(1);
  });

  it('come back whole from a ring that is left with packets in flight', async () => {
    await using setup = await start({ looks: Infinity });
    const [rx] = setup.pair.guest.rings;
    const places = [supply(rx, 2048), supply(rx, 2048)];
    setup.submit(packet(100, 1), packet(200, 2));
    const frontend = setup.pair.frontend;
    await frontend.ask(requests.GET_VRING_BASE, { index: 0, value: 0 });
    expect(rx.used().map(({ length }) => length)).toEqual([header + 100, header + 200]);
    expect([...rx.memory.read(places[1] + header, 200)]).toEqual([...packet(200, 2)]);
    expect([setup.device.asyncGetInflight(0), setup.clear(), setup.clear()]).toEqual([2, [100, 200], []]);
    expect([setup.pool.free, setup.engine.memories.size]).toEqual([64, 0]);
  });

  it('come back exactly once when the device is destroyed', async () => {
    await using setup = await start({ looks: Infinity });
    const [rx] = setup.pair.guest.rings;
    supply(rx, 2048);
    supply(rx, 2048);
    setup.submit(packet(100, 1), packet(200, 2));
    const { device } = setup;
    await setup.pair.backend.driver.close();
    expect(() => device.asyncChannelUnregister(0)).toThrow(/2 packets of ring 0/);
    expect([setup.clear(), setup.poll(), setup.clear()]).toEqual([[100, 200], [], []]);
    for (const queue of [0, 1]) device.asyncChannelUnregister(queue);
    dmaUnconfigure(setup.engine);
    expect([setup.engine.configured, setup.engine.memories.size, setup.pool.free]).toEqual([false, 0, 64]);
  });

  it('go on after new memory was announced', async () => {
    await using setup = await start({ looks: 3 });
    const { guest, frontend } = setup.pair;
    const [rx] = guest.rings;
    supply(rx, 2048);
    setup.submit(packet(100, 1));
    await frontend.send(requests.SET_MEM_TABLE, guest.regions, { fds: guest.regions.map(() => guest.fd) });
    await handled(frontend);
    expect([setup.poll(), rx.used().length]).toEqual([[100], 1]);
    const at = supply(rx, 2048);
    setup.submit(packet(300, 2));
    expect([setup.poll(), setup.poll(), setup.poll()]).toEqual([[], [], [300]]);
    expect([...rx.memory.read(at + header, 300)]).toEqual([...packet(300, 2)]);
  });
});

describe.each(formats)('%s: packets of a driver', (format, features) => {
  const start = (options: StubEngineOptions = {}, pair: PairOptions = {}, inOrder = true) =>
    AsyncSetup.start(options, { guest: { size: 16, features, ring: { format } }, ...pair }, inOrder);

  it('are taken when the engine has copied them', async () => {
    await using setup = await start({ looks: 2 });
    const [, tx] = setup.pair.guest.rings;
    sendFrom(tx, packet(100, 1));
    sendFrom(tx, packet(3000, 2));
    expect([setup.take(), tx.used(), setup.device.asyncGetInflight(1)]).toEqual([[], [], 2]);
    expect(setup.take().map((bytes) => [...bytes])).toEqual([[...packet(100, 1)], [...packet(3000, 2)]]);
    expect([tx.used().length, setup.device.asyncGetInflight(1), setup.pool.free]).toEqual([2, 0, 64]);
  });

  it('whose copies fail are copied by this thread', async () => {
    await using setup = await start({ failEach: 1, reversed: true }, {}, false);
    const [, tx] = setup.pair.guest.rings;
    sendFrom(tx, packet(100, 1));
    sendFrom(tx, packet(200, 2));
    expect(setup.take().map((bytes) => [...bytes])).toEqual([[...packet(100, 1)], [...packet(200, 2)]]);
  });

  it('that are too short are dropped, and their chains go back in order', async () => {
    await using setup = await start({ looks: 2 });
    const [, tx] = setup.pair.guest.rings;
    tx.expose([{ address: tx.memory.put(new Uint8Array(header)), length: header }]);
    sendFrom(tx, packet(100, 1));
    tx.expose([{ address: tx.memory.put(new Uint8Array(header)), length: header }]);
    expect([setup.take().length, tx.used().length]).toEqual([0, 0]);
    expect([setup.take().length, tx.used().length]).toEqual([1, 3]);
    tx.expose([{ address: tx.memory.put(new Uint8Array(header)), length: header }]);
    expect([setup.take().length, tx.used().length]).toEqual([0, 1]);
    expect(setup.device.queueStats(1)?.get('errors')).toBe(3);
  });

  it('come back with their buffers when the connection ends', async () => {
    await using setup = await start({ looks: Infinity });
    const [, tx] = setup.pair.guest.rings;
    sendFrom(tx, packet(100, 1));
    setup.take();
    await setup.pair.backend.driver.close();
    setup.device.clearQueue(1, setup.burst);
    expect(readFrames(setup.burst).map((bytes) => [...bytes])).toEqual([[...packet(100, 1)]]);
    setup.burst.release();
    expect([setup.clear(1), setup.pool.free]).toEqual([[], 64]);
  });
});
