import { spawnSync } from 'node:child_process';
import { constants, writeSync } from 'node:fs';
import { PacketBurst } from '@vio/net';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { fdFlags, openFds, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { UnixStream } from '@vio/native';
import {
  MessageReader,
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_STATUS,
  encodeAck,
  frontendRequests as requests,
  needsReply,
} from '../../wire/index.ts';
import { packet, packetPool, sendFrom, supply } from '../../test-support/packets.ts';
import { Pair, type PairOptions } from '../../test-support/pair.ts';
import { addressesOf, nodeOfMost } from './numa-node.ts';

const packed = {
  guest: { features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED, ring: { format: 'packed' } },
} as const;
const formats: [string, PairOptions][] = [
  ['split', {}],
  ['packed', packed],
];

describe.each(formats)('what a device says of %s rings:', (format, options) => {
  it('buffers and packets that wait', async () => {
    await using pair = await Pair.start(options);
    for (let i = 0; i < 3; i++) supply(pair.guest.rings[0], 256);
    sendFrom(pair.guest.rings[1], packet(60));
    const { device } = pair;
    expect([0, 1, 7].map((ring) => [device.availEntries(ring) > 0, device.rxQueueCount(ring) > 0])).toEqual([
      [true, false],
      [true, true],
      [false, false],
    ]);
  });

  it('where the two sides of a ring have got to', async () => {
    await using pair = await Pair.start(options);
    const { device } = pair;
    for (let i = 0; i < 3; i++) sendFrom(pair.guest.rings[1], packet(60));
    const before = device.ringPositions(1);
    pair.receive();
    expect([before, device.ringPositions(1), device.ringPositions(9)]).toMatchObject([
      { driver: { slot: 3 }, device: { slot: 0 }, held: 0, available: 3 },
      { driver: { slot: 3 }, device: { slot: 3 }, held: 0, available: 0 },
      undefined,
    ]);
  });

  it('none of a ring that is disabled', async () => {
    await using pair = await Pair.start(options);
    sendFrom(pair.guest.rings[1], packet(60));
    await pair.frontend.acknowledged(requests.SET_VRING_ENABLE, { index: 1, value: 0 });
    expect(pair.device.availEntries(1)).toBe(0);
  });

  it('where they go on, which can be said', async () => {
    await using pair = await Pair.start(options);
    const { device } = pair;
    const before = device.vringBase(1);
    sendFrom(pair.guest.rings[1], packet(60, 1));
    pair.receive();
    const after = device.vringBase(1);
    if (after !== undefined) device.setVringBase(1, after);
    sendFrom(pair.guest.rings[1], packet(60, 2));
    const wrap = format === 'packed' ? 0x8000 : 0;
    expect([before, after, pair.receive(), device.vringBase(9)]).toEqual([
      { lastAvail: wrap, lastUsed: wrap },
      { lastAvail: wrap | 1, lastUsed: wrap | 1 },
      [packet(60, 2)],
      undefined,
    ]);
  });

  it('size, place and state', async () => {
    await using pair = await Pair.start(options);
    const { index: _, ...addresses } = pair.guest.address(0);
    expect(pair.device.vringInfo(0)).toMatchObject({
      format,
      size: 8,
      addresses,
      enabled: true,
      running: true,
      broken: undefined,
    });
    expect([pair.device.vringCount, pair.device.vringInfo(2)]).toEqual([2, undefined]);
  });

  it('counters by ring, which begin at 0 again when they are told to', async () => {
    await using pair = await Pair.start(options);
    sendFrom(pair.guest.rings[1], packet(60));
    pair.receive();
    const { device } = pair;
    const counted = device.vringStats(1);
    device.resetVringStats(1);
    expect([Object.keys(counted), counted.good_packets, device.vringStats(1).good_packets]).toEqual([
      device.vringStatsNames(1),
      1,
      0,
    ]);
    expect([device.vringStats(1).guest_notifications, device.vringStats(4)]).toEqual([0, {}]);
  });
});

describe('the memory of a driver', () => {
  it('is told as it was announced', async () => {
    await using pair = await Pair.start();
    expect(pair.device.memoryTable()).toEqual(pair.guest.regions);
  });

  it('can be looked at by guest-physical address, as far as it goes', async () => {
    await using pair = await Pair.start();
    const [rx] = pair.guest.rings;
    const at = rx.memory.put(packet(60));
    const [first] = pair.guest.regions;
    const end = first.guestAddress + first.size;
    const { device } = pair;
    expect([
      device.guestMemory(at, 60),
      device.guestMemory(end - 8, 100)?.length,
      device.guestMemory(1, 8),
    ]).toEqual([packet(60), 8, undefined]);
  });

  it('lies on the NUMA node that most of its pages are on', () => {
    const maps = [
      '7f0000000000-7f0000100000 rw-s 00000000 00:01 4711 /memfd:guest (deleted)',
      '7f0000200000-7f0000300000 rw-s 00000000 00:01 4712 /memfd:other (deleted)',
    ].join('\n');
    const nodes = ['7f0000000000 default mapmax=2 N0=3 N1=200', '7f0000200000 default N0=900'].join('\n');
    const addresses = addressesOf(new Set(['1:4711']), maps);
    expect([Array.from(addresses), nodeOfMost(addresses, nodes)]).toEqual([['7f0000000000'], 1]);
  });

  it('has no node while there is none', async () => {
    await using pair = await Pair.start({ instead: { SET_MEM_TABLE: 'skip' } });
    expect(pair.device.numaNode).toBe(undefined);
  });
});

describe('calls of a driver', () => {
  it('are told to the application', async () => {
    await using pair = await Pair.start();
    const told: number[] = [];
    pair.backend.driver.callbacks({ guestNotified: ({ vid }) => void told.push(vid) });
    sendFrom(pair.guest.rings[1], packet(60));
    pair.receive();
    expect(told).toEqual([pair.device.vid]);
  });

  it('may be put off by the application, which makes them itself', async () => {
    await using pair = await Pair.start();
    const put: number[] = [];
    pair.backend.driver.callbacks({
      guestNotify: (_, queue) => {
        put.push(queue);
        return true;
      },
    });
    sendFrom(pair.guest.rings[1], packet(60));
    pair.receive();
    const before = pair.guest.calls[1].drain();
    const made = pair.device.notifyGuest(1);
    expect([put, before, made, pair.guest.calls[1].drain()]).toEqual([[1], false, true, true]);
  });

  it('are not made again for what they were made for', async () => {
    await using pair = await Pair.start();
    sendFrom(pair.guest.rings[1], packet(60));
    pair.receive();
    expect([pair.device.vringCall(1), pair.device.vringCall(9)]).toEqual([false, false]);
    expect([pair.device.vringCallNonBlock(1), pair.device.vringCallNonBlock(9)]).toEqual([false, false]);
  });

  it.each(['vringCall', 'vringCallNonBlock'] as const)(
    'are made by %s for what was used and not told, and wait for nobody: the descriptor is full, and blocks',
    async (call) => {
      await using pair = await Pair.start();
      const { fd } = pair.guest.calls[1];
      // libuv makes what it hands down as stdin block, and descriptors of one file share that.
      spawnSync(process.execPath, ['-e', ''], { stdio: [fd, 'ignore', 'ignore'] });
      writeSync(fd, new Uint8Array(BigUint64Array.of(2n ** 64n - 2n).buffer));
      sendFrom(pair.guest.rings[1], packet(60));
      // What `dequeueBurst` does before it calls.
      pair.served.vrings[1].dequeue?.run(packetPool(), new PacketBurst(), 1);
      const blocks = (fdFlags(fd) & constants.O_NONBLOCK) === 0;
      expect([blocks, pair.device[call](1), pair.device[call](1)]).toEqual([true, true, false]);
      expect(pair.device.vringStats(1).guest_notifications).toBe(1);
    },
  );
});

describe('a change of the configuration', () => {
  const speaking: PairOptions = {
    offer: (driver) => driver.setNetConfig({ linkUp: true }),
  };

  /** @param answer of the frontend; undefined: none */
  async function told(answer: 0 | 1 | undefined, protocolFeatures?: bigint) {
    const pair = await Pair.start({
      ...speaking,
      ...(protocolFeatures === undefined ? {} : { protocolFeatures }),
    });
    const [mine, theirs] = UnixStream.pair();
    await pair.frontend.send(requests.SET_BACKEND_REQ_FD, undefined, { fds: [theirs.fd] });
    await pair.frontend.ask(requests.GET_FEATURES, undefined);
    theirs.close();
    const asked: boolean[] = [];
    const reader = new MessageReader(mine);
    mine.onReadable(() => {
      for (let message = reader.read(); message !== undefined; message = reader.read()) {
        asked.push(needsReply(message));
        if (answer !== undefined) void mine.send(encodeAck(message.request, answer), [], { timeout: 1000 });
      }
    });
    const agreed = await pair.device.backendConfigChange({ needReply: true });
    await until(() => asked.length > 0);
    mine.close();
    await pair[Symbol.asyncDispose]();
    return { asked, agreed };
  }

  it.each([
    [0, true],
    [1, false],
  ] as const)('is answered by its frontend: %i', async (answer, agreed) => {
    expect(await told(answer)).toEqual({ asked: [true], agreed });
  });

  it('is not waited for without REPLY_ACK', async () => {
    const few =
      VHOST_USER_PROTOCOL_F_STATUS |
      VHOST_USER_PROTOCOL_F_MQ |
      VHOST_USER_PROTOCOL_F_CONFIG |
      VHOST_USER_PROTOCOL_F_BACKEND_REQ;
    expect(await told(undefined, few)).toEqual({ asked: [false], agreed: true });
  });

  it('is not answered by half a message, and its descriptors are not kept', async () => {
    await using pair = await Pair.start(speaking);
    const [mine, theirs] = UnixStream.pair();
    await pair.frontend.send(requests.SET_BACKEND_REQ_FD, undefined, { fds: [theirs.fd] });
    await pair.frontend.ask(requests.GET_FEATURES, undefined);
    theirs.close();
    const before = openFds();
    await mine.send(encodeAck(2, 0).subarray(0, 5), [0, 0], { timeout: 1000 });
    expect(await pair.device.backendConfigChange({ needReply: true })).toBe(false);
    // The channel went as well.
    await until(() => openFds() === before - 1);
    expect(openFds()).toBe(before - 1);
    mine.close();
  });

  it('is told to nobody who does not listen', async () => {
    await using pair = await Pair.start(speaking);
    expect(await pair.device.backendConfigChange({ needReply: true })).toBe(false);
  });
});

it('a driver says what it offers, and a device whose it is', async () => {
  await using pair = await Pair.start({ offer: (driver) => driver.setQueueNum(3) });
  const { driver, path } = pair.backend;
  expect([driver.queueNum, driver.protocolFeatures & 1n, pair.device.ifname]).toEqual([3, 1n, path]);
});
