import { PacketBurst, VIRTIO_NET_F_MRG_RXBUF } from '@vio/net';
import { readFrames } from '@vio/net/testing';
import { BufferPool, Region, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1, poolStride } from '@vio/rings';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Pair, type PairOptions } from '../../test-support/pair.ts';
import { packet, packetPool, packetsOf, sendFrom, supply } from '../../test-support/packets.ts';
import { StubEngine, type StubEngineOptions } from '../../testing/stub-engine.ts';
import { frontendRequests as requests } from '../../wire/index.ts';
import { handled } from '../../test-support/test-backend.ts';
import { dmaConfigure, dmaUnconfigure } from './dma-configure.ts';

const flags = { asyncCopy: true, lock: false };
const header = 12;

/** A pair whose rings copy by a stub engine. */
class Setup implements AsyncDisposable {
  readonly pair: Pair;
  readonly engine: StubEngine;
  readonly pool = packetPool(64);
  readonly burst = new PacketBurst(64);
  readonly faults: string[] = [];

  private constructor(pair: Pair, engine: StubEngine) {
    this.pair = pair;
    this.engine = engine;
    dmaConfigure(engine, { onFault: ({ code, message }) => this.faults.push(`${code} ${message}`) });
  }

  static async start(
    options: StubEngineOptions = {},
    pair: PairOptions = {},
    inOrder = true,
  ): Promise<Setup> {
    const setup = new Setup(
      await Pair.start({ ...pair, flags: { ...flags, ...pair.flags } }),
      new StubEngine(options),
    );
    for (const queue of [0, 1])
      setup.pair.device.asyncChannelRegister(queue, { engine: setup.engine, inOrder });
    return setup;
  }

  get device() {
    return this.pair.device;
  }

  /** Submits packets to ring 0, from `pool`. @returns how many */
  submit(...packets: Uint8Array[]): number {
    return this.device.submitEnqueueBurst(0, packetsOf(this.pool, ...packets));
  }

  /** What is reported of ring 0; the buffers go back to the pool. @returns the packets' lengths */
  poll(): number[] {
    this.device.pollEnqueueCompleted(0, this.burst);
    return this.#lengths();
  }

  clear(queue = 0): number[] {
    this.device.clearQueue(queue, this.burst);
    return this.#lengths();
  }

  /** Takes what has arrived from ring 1. */
  take(): Uint8Array[] {
    this.device.tryDequeueBurst(1, this.pool, this.burst);
    const packets = readFrames(this.burst);
    this.burst.release();
    return packets;
  }

  #lengths(): number[] {
    const lengths = [...this.burst.length.subarray(0, this.burst.count)];
    this.burst.release();
    return lengths;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pair[Symbol.asyncDispose]();
  }
}

const formats = [
  ['split', VIRTIO_F_VERSION_1],
  ['packed', VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED],
] as const;

describe.each(formats)('%s: packets for a driver', (format, features) => {
  const start = (options: StubEngineOptions = {}, more: bigint = 0n, inOrder = true) =>
    Setup.start(options, { guest: { size: 16, features: features | more, ring: { format } } }, inOrder);

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
    Setup.start(options, { guest: { size: 16, features, ring: { format } }, ...pair }, inOrder);

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

describe('an engine that breaks its promise', () => {
  const [[format, features]] = formats;
  const start = (options: StubEngineOptions, inOrder = true) =>
    Setup.start(options, { guest: { size: 16, features, ring: { format } } }, inOrder);

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

describe('a channel', () => {
  let engine: StubEngine;
  beforeEach(() => {
    engine = new StubEngine();
    dmaConfigure(engine);
  });
  afterEach(() => dmaUnconfigure(engine));

  const code = (call: () => unknown): string | undefined => {
    try {
      call();
    } catch (error) {
      return error instanceof Error && 'code' in error ? String(error.code) : String(error);
    }
    return undefined;
  };

  it('is refused by name where there can be none', async () => {
    await using plain = await Pair.start();
    expect(code(() => plain.device.asyncChannelRegister(0, { engine }))).toBe('VIO_VHOST_ASYNC_OFF');
    await using pair = await Pair.start({ flags });
    const { device } = pair;
    const register = (queue: number, other = engine) =>
      code(() => device.asyncChannelRegister(queue, { engine: other }));
    expect([register(7), register(0, new StubEngine())]).toEqual([
      'VIO_VHOST_ASYNC_CHANNEL',
      'VIO_VHOST_ASYNC_DMA',
    ]);
    expect([register(0), register(0)]).toEqual([undefined, 'VIO_VHOST_ASYNC_CHANNEL']);
    expect(code(() => dmaUnconfigure(engine))).toBe('VIO_VHOST_ASYNC_DMA');
    expect(code(() => dmaConfigure(engine))).toBe('VIO_VHOST_ASYNC_DMA');
    device.asyncChannelUnregister(0);
    expect(code(() => device.asyncChannelUnregister(0))).toBe('VIO_VHOST_ASYNC_CHANNEL');
    const burst = new PacketBurst();
    const calls = [
      () => device.submitEnqueueBurst(0, burst),
      () => device.pollEnqueueCompleted(0, burst),
      () => device.tryDequeueBurst(1, packetPool(), burst),
      () => device.asyncGetInflight(0),
      () => device.clearQueue(0, burst),
    ];
    expect(calls.map(code)).toEqual(calls.map(() => 'VIO_VHOST_ASYNC_CHANNEL'));
  });

  it('is not for callbacks but by its thread-unsafe calls', async () => {
    await using pair = await Pair.start({ flags });
    const { device, backend } = pair;
    const burst = new PacketBurst();
    const seen: unknown[] = [];
    backend.driver.callbacks({
      destroyDevice: () => {
        seen.push(
          code(() => device.asyncChannelRegister(0, { engine })),
          code(() => device.asyncChannelRegisterThreadUnsafe(0, { engine })),
          code(() => device.asyncGetInflight(0)),
          device.asyncGetInflightThreadUnsafe(0),
          code(() => device.clearQueue(0, burst)),
          device.clearQueueThreadUnsafe(0, burst),
          code(() => device.asyncChannelUnregister(0)),
          code(() => device.asyncChannelUnregisterThreadUnsafe(0)),
        );
      },
    });
    await pair.frontend.ask(requests.GET_VRING_BASE, { index: 0, value: 0 });
    const refused = 'VIO_VHOST_ASYNC_CALLBACK';
    expect(seen).toEqual([refused, undefined, refused, 0, refused, 0, refused, undefined]);
    device.asyncChannelRegister(0, { engine });
    device.asyncChannelUnregister(0);
  });

  it('is not unregistered with packets in flight; bursts of this thread wait for those', async () => {
    await using pair = await Pair.start({ flags });
    const { device, guest } = pair;
    engine.options.looks = 2;
    device.asyncChannelRegister(0, { engine });
    supply(guest.rings[0], 2048);
    supply(guest.rings[0], 2048);
    const burst = packetsOf(packetPool(), packet(100, 1));
    device.submitEnqueueBurst(0, burst);
    expect([code(() => device.asyncChannelUnregister(0)), pair.send(packet(60))]).toEqual([
      'VIO_VHOST_ASYNC_INFLIGHT',
      0,
    ]);
    const back = new PacketBurst();
    device.clearQueue(0, back);
    expect([back.count, pair.send(packet(60))]).toEqual([1, 1]);
    device.asyncChannelUnregister(0);
  });

  it('shares its engine, and its memory, with others', async () => {
    await using pair = await Pair.start({ flags });
    const { device, guest } = pair;
    const pool = packetPool(8);
    device.asyncChannelRegister(0, { engine });
    device.asyncChannelRegister(1, { engine });
    const at = supply(guest.rings[0], 2048);
    sendFrom(guest.rings[1], packet(80, 2));
    const burst = new PacketBurst();
    expect([
      device.submitEnqueueBurst(0, packetsOf(pool, packet(70, 1))),
      device.tryDequeueBurst(1, pool, burst),
    ]).toEqual([1, 1]);
    burst.release();
    // Neither ring is of the other direction.
    expect([device.pollEnqueueCompleted(1, burst), device.tryDequeueBurst(0, pool, burst)]).toEqual([0, 0]);
    expect([device.asyncGetInflight(0), device.pollEnqueueCompleted(0, burst)]).toEqual([1, 1]);
    burst.release();
    expect([...guest.rings[0].memory.read(at + header, 70)]).toEqual([...packet(70, 1)]);
    expect(pool.free).toBe(8);
    for (const queue of [0, 1]) device.asyncChannelUnregister(queue);
    expect(engine.memories.size).toBe(0);
  });

  it('gives back packets of several pools in bursts of their own', async () => {
    await using pair = await Pair.start({ flags });
    const { device, guest } = pair;
    device.asyncChannelRegister(0, { engine });
    for (let i = 0; i < 3; i++) supply(guest.rings[0], 2048);
    const [one, other] = [packetPool(4), packetPool(4)];
    device.submitEnqueueBurst(0, packetsOf(one, packet(61)));
    device.submitEnqueueBurst(0, packetsOf(other, packet(62), packet(63)));
    const burst = new PacketBurst();
    const seen: unknown[] = [];
    while (device.pollEnqueueCompleted(0, burst) > 0) {
      seen.push([burst.count, burst.pool === one]);
      burst.release();
    }
    expect([seen, one.free, other.free]).toEqual([
      [
        [1, true],
        [2, false],
      ],
      4,
      4,
    ]);
    device.asyncChannelUnregister(0);
  });
});

it('an engine has a number of descriptors that there can be', () => {
  for (const descriptors of [0, 63, 100, 65_536, 1.5])
    expect(() => dmaConfigure(new StubEngine(), { descriptors })).toThrow(RangeError);
});

it('packets beyond the descriptors of an engine wait with the application', async () => {
  await using pair = await Pair.start({ flags, guest: { size: 128 } });
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
