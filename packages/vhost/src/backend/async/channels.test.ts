import { PacketBurst } from '@vio/net';
import { codeOfCall, until } from '@vio/test-support';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { asyncFlags, header } from '../../test-support/async-setup.ts';
import { packet, packetPool, packetsOf, sendFrom, supply } from '../../test-support/packets.ts';
import { Guest } from '../../test-support/guest.ts';
import { Pair } from '../../test-support/pair.ts';
import { TestBackend } from '../../test-support/test-backend.ts';
import { StubEngine } from '../../testing/stub-engine.ts';
import { frontendRequests as requests } from '../../wire/index.ts';
import type { VhostDevice } from '../device/vhost-device.ts';
import { dmaConfigure, dmaUnconfigure } from './dma-configure.ts';

describe('a channel', () => {
  let engine: StubEngine;
  beforeEach(() => {
    engine = new StubEngine();
    dmaConfigure(engine);
  });
  afterEach(() => dmaUnconfigure(engine));

  it('is refused by name where there can be none', async () => {
    await using plain = await Pair.start();
    expect(codeOfCall(() => plain.device.asyncChannelRegister(0, { engine }))).toBe('VIO_VHOST_ASYNC_OFF');
    await using pair = await Pair.start({ flags: asyncFlags });
    const { device } = pair;
    const register = (queue: number, other = engine) =>
      codeOfCall(() => device.asyncChannelRegister(queue, { engine: other }));
    expect([register(7), register(0, new StubEngine())]).toEqual([
      'VIO_VHOST_ASYNC_CHANNEL',
      'VIO_VHOST_ASYNC_DMA',
    ]);
    expect([register(0), register(0)]).toEqual(['no error', 'VIO_VHOST_ASYNC_CHANNEL']);
    expect(codeOfCall(() => dmaUnconfigure(engine))).toBe('VIO_VHOST_ASYNC_DMA');
    expect(codeOfCall(() => dmaConfigure(engine))).toBe('VIO_VHOST_ASYNC_DMA');
    device.asyncChannelUnregister(0);
    expect(codeOfCall(() => device.asyncChannelUnregister(0))).toBe('VIO_VHOST_ASYNC_CHANNEL');
    const burst = new PacketBurst();
    const calls = [
      () => device.submitEnqueueBurst(0, burst),
      () => device.pollEnqueueCompleted(0, burst),
      () => device.tryDequeueBurst(1, packetPool(), burst),
      () => device.asyncGetInflight(0),
      () => device.clearQueue(0, burst),
    ];
    expect(calls.map(codeOfCall)).toEqual(calls.map(() => 'VIO_VHOST_ASYNC_CHANNEL'));
  });

  it('is not for callbacks but by its thread-unsafe calls', async () => {
    await using pair = await Pair.start({ flags: asyncFlags });
    const { device, backend } = pair;
    const burst = new PacketBurst();
    const seen: unknown[] = [];
    backend.driver.callbacks({
      destroyDevice: () => {
        seen.push(
          codeOfCall(() => device.asyncChannelRegister(0, { engine })),
          codeOfCall(() => device.asyncChannelRegisterThreadUnsafe(0, { engine })),
          codeOfCall(() => device.asyncGetInflight(0)),
          device.asyncGetInflightThreadUnsafe(0),
          codeOfCall(() => device.clearQueue(0, burst)),
          device.clearQueueThreadUnsafe(0, burst),
          codeOfCall(() => device.asyncChannelUnregister(0)),
          codeOfCall(() => device.asyncChannelUnregisterThreadUnsafe(0)),
        );
      },
    });
    await pair.frontend.ask(requests.GET_VRING_BASE, { index: 0, value: 0 });
    const refused = 'VIO_VHOST_ASYNC_CALLBACK';
    expect(seen).toEqual([refused, 'no error', refused, 0, refused, 0, refused, 'no error']);
    device.asyncChannelRegister(0, { engine });
    device.asyncChannelUnregister(0);
  });

  it('is not for any callback, nor for handlers of messages', async () => {
    await using backend = await TestBackend.start(asyncFlags);
    using guest = new Guest();
    const seen = new Map<string, readonly string[]>();
    const look =
      (name: string) =>
      (device: VhostDevice): undefined => {
        const call = codeOfCall(() => device.asyncGetInflight(0));
        seen.set(name, [call, codeOfCall(() => device.asyncGetInflightThreadUnsafe(0))]);
      };
    const names = [
      'featuresChanged',
      'vringStateChanged',
      'newDevice',
      'guestNotify',
      'guestNotified',
      'refused',
      'announced',
      'broken',
      'destroyDevice',
      'destroyConnection',
    ];
    const newConnection = (device: VhostDevice): void => {
      backend.devices.push(device);
      look('newConnection')(device);
    };
    backend.driver.callbacks({
      ...Object.fromEntries(names.map((name) => [name, look(name)])),
      newConnection,
    });
    backend.driver.externHandlers({ before: look('before'), after: look('after') });
    const frontend = await backend.connect();
    await guest.start(frontend);
    supply(guest.rings[0], 2048);
    backend.device.enqueueBurst(0, packetsOf(packetPool(), packet(60)));
    await frontend.send(requests.SEND_RARP, 1n);
    await frontend.acknowledged(requests.SET_VRING_NUM, { index: 0, value: 3 });
    guest.rings[1].expose([{ address: 8, length: 100 }]);
    backend.device.dequeueBurst(1, packetPool(), new PacketBurst());
    backend.device.dequeueBurst(1, packetPool(), new PacketBurst());
    frontend.close();
    await until(() => seen.has('destroyConnection'));
    const refused = ['VIO_VHOST_ASYNC_CALLBACK', 'VIO_VHOST_ASYNC_CHANNEL'];
    expect(Object.fromEntries(seen)).toEqual(
      Object.fromEntries(['newConnection', 'before', 'after', ...names].map((name) => [name, refused])),
    );
  });

  it('is not unregistered with packets in flight; bursts of this thread wait for those', async () => {
    await using pair = await Pair.start({ flags: asyncFlags });
    const { device, guest } = pair;
    engine.options.looks = 2;
    device.asyncChannelRegister(0, { engine });
    supply(guest.rings[0], 2048);
    supply(guest.rings[0], 2048);
    const burst = packetsOf(packetPool(), packet(100, 1));
    device.submitEnqueueBurst(0, burst);
    expect([codeOfCall(() => device.asyncChannelUnregister(0)), pair.send(packet(60))]).toEqual([
      'VIO_VHOST_ASYNC_INFLIGHT',
      0,
    ]);
    const back = new PacketBurst();
    device.clearQueue(0, back);
    expect([back.count, pair.send(packet(60))]).toEqual([1, 1]);
    device.asyncChannelUnregister(0);
  });

  it('shares its engine, and its memory, with others', async () => {
    await using pair = await Pair.start({ flags: asyncFlags });
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
    await using pair = await Pair.start({ flags: asyncFlags });
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
