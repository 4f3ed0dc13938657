import { PacketBurst } from '@vio/net';
import { readFrames } from '@vio/net/testing';
import { BufferPool, Region, poolStride } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { AsyncSetup, asyncFlags, formats, header } from '../../test-support/async-setup.ts';
import { packet, packetPool, packetsOf, sendFrom, supply } from '../../test-support/packets.ts';
import { Pair } from '../../test-support/pair.ts';
import { StubEngine, type StubEngineOptions } from '../../testing/stub-engine.ts';
import { frontendRequests as requests } from '../../wire/index.ts';
import { dmaConfigure, dmaUnconfigure } from './dma-configure.ts';

describe('an engine that breaks its promise', () => {
  const [[format, features]] = formats;
  const start = (options: StubEngineOptions, inOrder = true) =>
    AsyncSetup.start(options, { guest: { size: 16, features, ring: { format } } }, inOrder);

  it.each([
    ['twice', /descriptor \d+ was completed, which was not in flight/],
    ['unknown', /descriptor \d+ was completed, which was not in flight/],
    ['order', /before earlier ones, and inOrder was promised/],
    ['taken', /transferData answered 4, having been given 3/],
    ['completed', /checkCompletedCopies answered -1/],
    ['transfer', /threw in transferData/],
    ['check', /threw in checkCompletedCopies/],
  ] as const)('(%s) is told of once, loses nothing, and is not asked again', async (fault, message) => {
    await using setup = await start({ fault });
    const [rx] = setup.pair.guest.rings;
    const places = [0, 1, 2, 3].map(() => supply(rx, 2048));
    expect(setup.submit(packet(61, 1), packet(62, 2), packet(63, 3))).toBe(3);
    expect([...setup.poll(), ...setup.poll()]).toEqual([61, 62, 63]);
    expect(setup.submit(packet(64, 4))).toBe(1);
    expect(setup.poll()).toEqual([64]);
    for (const [i, at] of places.entries())
      expect([...rx.memory.read(at + header, 61 + i)]).toEqual([...packet(61 + i, 1 + i)]);
    expect(rx.used().length).toBe(4);
    await new Promise(setImmediate);
    expect(setup.faults).toEqual([expect.stringMatching(/^VIO_VHOST_ASYNC_ENGINE /)]);
    expect(setup.faults[0]).toMatch(message);
    expect([setup.pool.free, setup.engine.taken]).toEqual([64, fault === 'transfer' ? 0 : 3]);
  });

  it('may complete out of order where that was not promised', async () => {
    await using setup = await start({ fault: 'order' }, false);
    const [rx] = setup.pair.guest.rings;
    for (let i = 0; i < 3; i++) supply(rx, 2048);
    setup.submit(packet(61), packet(62), packet(63));
    expect([setup.poll(), setup.faults]).toEqual([[61, 62, 63], []]);
  });

  it('never completes: clearQueue has its packets back, and they have arrived', async () => {
    await using setup = await start({ looks: Infinity });
    const [rx] = setup.pair.guest.rings;
    const at = supply(rx, 2048);
    setup.submit(packet(100, 1));
    expect([setup.poll(), setup.poll(), setup.clear()]).toEqual([[], [], [100]]);
    expect([...rx.memory.read(at + header, 100)]).toEqual([...packet(100, 1)]);
    expect([rx.used().length, setup.engine.quiesced, setup.faults]).toEqual([1, 1, []]);
  });
});

it.each(formats)(
  '%s: who is told of an engine takes everything back, and lets it go',
  async (format, features) => {
    for (const fault of ['transfer', 'taken', 'check', 'twice'] as const) {
      await using pair = await Pair.start({
        flags: asyncFlags,
        guest: { size: 16, features, ring: { format } },
      });
      const { device } = pair;
      const [rx, tx] = pair.guest.rings;
      const pool = packetPool(32);
      const engine = new StubEngine({ fault });
      const back = new PacketBurst();
      const lengths: number[] = [];
      let faults = 0;
      const onFault = (): void => {
        faults++;
        for (const queue of [0, 1]) {
          while (device.clearQueue(queue, back) > 0) {
            lengths.push(...back.length.subarray(0, back.count));
            back.release();
          }
          device.asyncChannelUnregister(queue);
        }
        dmaUnconfigure(engine);
      };
      dmaConfigure(engine, { onFault });
      for (const queue of [0, 1]) device.asyncChannelRegister(queue, { engine });
      for (let i = 0; i < 4; i++) supply(rx, 2048);
      sendFrom(tx, packet(80));
      const burst = packetsOf(pool, packet(61), packet(62));
      expect(device.submitEnqueueBurst(0, burst)).toBe(2);
      device.tryDequeueBurst(1, pool, back);
      lengths.push(...back.length.subarray(0, back.count));
      back.release();
      await new Promise(setImmediate);
      expect([faults, lengths.toSorted((a, b) => a - b), pool.free]).toEqual([1, [61, 62, 80], 32]);
      expect([rx.used().length, tx.used().length, engine.configured]).toEqual([2, 1, false]);
      expect(pair.send(packet(64))).toBe(1);
    }
  },
);

it('who is told that a driver is called while its ring stops submits nothing more', async () => {
  await using setup = await AsyncSetup.start({ looks: Infinity });
  const { device, backend, guest, frontend } = setup.pair;
  const [rx, tx] = guest.rings;
  for (let i = 0; i < 4; i++) supply(rx, 2048);
  sendFrom(tx, packet(70));
  for (const ring of guest.rings) ring.wantCalls('always');
  setup.submit(packet(61));
  setup.take();
  const submitted: number[] = [];
  const taken: Uint8Array[] = [];
  backend.driver.callbacks({
    guestNotified: () => {
      submitted.push(setup.submit(packet(62)));
      sendFrom(tx, packet(71));
      taken.push(...setup.take());
    },
  });
  for (const index of [0, 1]) await frontend.ask(requests.GET_VRING_BASE, { index, value: 0 });
  expect([new Set(submitted), device.asyncGetInflight(0), setup.engine.memories.size]).toEqual([
    new Set([0]),
    1,
    0,
  ]);
  device.clearQueue(1, setup.burst);
  taken.push(...readFrames(setup.burst));
  const same = taken.map((bytes, i) => Buffer.compare(bytes, packet(i === 0 ? 70 : 71)) === 0);
  expect([setup.clear(), new Set(same)]).toEqual([[61], new Set([true])]);
});

it('an engine has a number of descriptors that there can be', () => {
  for (const descriptors of [0, 63, 100, 65_536, 1.5])
    expect(() => dmaConfigure(new StubEngine(), { descriptors })).toThrow(RangeError);
});

it('packets beyond the descriptors of an engine wait with the application', async () => {
  await using pair = await Pair.start({ flags: asyncFlags, guest: { size: 128 } });
  const engine = new StubEngine({ looks: 2 });
  dmaConfigure(engine, { descriptors: 64 });
  pair.device.asyncChannelRegister(0, { engine });
  const region = new Region(new ArrayBuffer(128 * poolStride(256, 64)));
  const pool = new BufferPool({ region, offset: 0, count: 128, dataRoom: 256, headroom: 64 });
  for (let i = 0; i < 100; i++) supply(pair.guest.rings[0], 200);
  const burst = new PacketBurst(100);
  burst.allocate(pool, 100, 100);
  expect(pair.device.submitEnqueueBurst(0, burst)).toBe(64);
  expect(pair.device.submitEnqueueBurst(0, burst, 64)).toBe(0);
});
