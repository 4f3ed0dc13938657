import { type Capture, PacketBurst, VIRTIO_NET_F_MRG_RXBUF, readPcap } from '@vio/net';
import { queueCounterNames } from '@vio/net/internal';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { frontendRequests as requests } from '../../wire/index.ts';
import { handled } from '../../test-support/test-backend.ts';
import type { GuestOptions } from '../../test-support/guest.ts';
import { packet, packetPool, sendFrom, supply } from '../../test-support/packets.ts';
import { Pair } from '../../test-support/pair.ts';

const started = (guest: GuestOptions = {}): Promise<Pair> => Pair.start({ guest });

const formats: [string, GuestOptions][] = [
  ['split', {}],
  ['packed', { features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED, ring: { format: 'packed' } }],
];

describe.each(formats)('packets on %s rings', (_, options) => {
  it('go to the driver behind a header of one buffer', async () => {
    await using pair = await started(options);
    const at = supply(pair.guest.rings[0], 256);
    pair.send(packet(60));
    const { memory } = pair.guest.rings[0];
    expect([...memory.read(at, 12)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    expect(memory.read(at + 12, 60)).toEqual(packet(60));
  });

  it.each([
    ['without', 0n],
    ['with', VIRTIO_NET_F_MRG_RXBUF],
  ])(
    'do not arrive in buffers that are too small for anything, and the driver is called: %s MRG_RXBUF',
    async (_how, feature) => {
      const features = (options.features ?? VIRTIO_F_VERSION_1) | feature;
      await using pair = await started({ ...options, features });
      const [rx] = pair.guest.rings;
      for (let i = 0; i < 3; i++) supply(rx, 4);
      expect([pair.send(packet(60)), pair.guest.calls[0].drain()]).toEqual([0, true]);
      expect(rx.used().map(({ length }) => length)).toEqual([0, 0, 0]);
      supply(rx, 256);
      expect([pair.send(packet(60)), pair.guest.calls[0].drain()]).toEqual([1, true]);
    },
  );

  it('are as many as the driver has buffers for', async () => {
    await using pair = await started(options);
    supply(pair.guest.rings[0], 256);
    supply(pair.guest.rings[0], 256);
    expect(pair.send(packet(60), packet(61), packet(62))).toBe(2);
  });

  it('are dropped and counted when no buffer can hold them', async () => {
    await using pair = await started(options);
    supply(pair.guest.rings[0], 64);
    expect(pair.send(packet(100))).toBe(1);
    expect(pair.device.queueStats(0)?.get('errors')).toBe(1);
  });

  it('come from the driver in their order', async () => {
    await using pair = await started(options);
    for (const i of [1, 2, 3]) sendFrom(pair.guest.rings[1], packet(60 + i, i));
    expect(pair.receive()).toEqual([packet(61, 1), packet(62, 2), packet(63, 3)]);
  });

  it('come in several descriptors, the header alone in the first', async () => {
    await using pair = await started(options);
    const driver = pair.guest.rings[1];
    driver.expose([
      { address: driver.memory.put(new Uint8Array(12)), length: 12 },
      { address: driver.memory.put(packet(100)), length: 40 },
      { address: driver.memory.put(packet(100).subarray(40)), length: 60 },
    ]);
    expect(pair.receive()).toEqual([packet(100)]);
  });

  it('that are longer than a buffer of the pool come in several', async () => {
    await using pair = await started(options);
    sendFrom(pair.guest.rings[1], packet(9000));
    expect(pair.receive()).toEqual([packet(9000)]);
  });

  it('stay with the driver while the pool is empty', async () => {
    await using pair = await started(options);
    sendFrom(pair.guest.rings[1], packet(9000));
    const pool = packetPool(8);
    pool.alloc(new Int32Array(4), 0, 4);
    const short = pair.device.dequeueBurst(1, pool, new PacketBurst());
    expect([short, pool.free, pair.receive().length]).toEqual([0, 4, 1]);
  });

  it('go on where they were when the memory is shared anew', async () => {
    await using pair = await started(options);
    const { guest, frontend } = pair;
    sendFrom(guest.rings[1], packet(60, 1));
    pair.receive();
    sendFrom(guest.rings[1], packet(60, 2));
    const fds = guest.regions.map(() => guest.fd);
    await frontend.acknowledged(requests.SET_MEM_TABLE, guest.regions, { fds });
    expect(pair.receive()).toEqual([packet(60, 2)]);
  });
});

describe('a stopped ring', () => {
  it('says how far it came', async () => {
    await using pair = await started();
    for (const i of [1, 2, 3]) sendFrom(pair.guest.rings[1], packet(60 + i, i));
    pair.receive();
    expect(await pair.frontend.ask(requests.GET_VRING_BASE, { index: 1, value: 0 })).toEqual({
      index: 1,
      value: 3,
    });
  });

  it('moves nothing', async () => {
    await using pair = await started();
    await pair.frontend.ask(requests.GET_VRING_BASE, { index: 1, value: 0 });
    sendFrom(pair.guest.rings[1], packet(60));
    expect(pair.receive()).toEqual([]);
  });

  it('signals nobody when it has been started without a call', async () => {
    await using pair = await started();
    await pair.frontend.send(requests.SET_VRING_CALL, { index: 1, hasFd: false });
    await handled(pair.frontend);
    sendFrom(pair.guest.rings[1], packet(60));
    pair.receive();
    expect([pair.guest.calls[1].drain(), pair.device.guestNotifications]).toEqual([false, 0]);
  });
});

describe('a disabled ring', () => {
  it('takes, drops and counts what its driver sends', async () => {
    await using pair = await started();
    await pair.frontend.acknowledged(requests.SET_VRING_ENABLE, { index: 1, value: 0 });
    sendFrom(pair.guest.rings[1], packet(60));
    expect([pair.receive().length, pair.guest.rings[1].used().length]).toEqual([0, 1]);
    expect(pair.device.stats()['rx_q0_dropped_stopped_packets']).toBe(1);
  });

  it('delivers nothing', async () => {
    await using pair = await started();
    await pair.frontend.acknowledged(requests.SET_VRING_ENABLE, { index: 0, value: 0 });
    supply(pair.guest.rings[0], 256);
    expect([pair.send(packet(60)), pair.guest.rings[0].used().length]).toEqual([0, 0]);
  });
});

describe('calls', () => {
  it('are one for a burst', async () => {
    await using pair = await started();
    for (const i of [1, 2, 3]) sendFrom(pair.guest.rings[1], packet(60 + i, i));
    pair.receive();
    expect([pair.guest.calls[1].drain(), pair.device.guestNotifications]).toEqual([true, 1]);
  });

  it('are not made for a driver that wants none', async () => {
    await using pair = await started();
    pair.guest.rings[1].wantCalls('never');
    sendFrom(pair.guest.rings[1], packet(60));
    pair.receive();
    expect([pair.guest.calls[1].drain(), pair.device.guestNotifications]).toEqual([false, 0]);
  });
});

describe('statistics', () => {
  it('have the names of DPDK, seen from the backend', async () => {
    await using pair = await started();
    const names = [...queueCounterNames, 'guest_notifications'];
    expect(Object.keys(pair.device.stats())).toEqual([
      ...[...names, 'full_rings', 'dropped_no_room_packets'].map((name) => `tx_q0_${name}`),
      ...[...names, 'dropped_length_packets', 'dropped_no_room_packets', 'dropped_stopped_packets'].map(
        (name) => `rx_q0_${name}`,
      ),
    ]);
  });

  it('count packets, bytes, sizes and notifications of each ring', async () => {
    await using pair = await started();
    supply(pair.guest.rings[0], 256);
    pair.send(packet(100));
    sendFrom(pair.guest.rings[1], packet(64));
    pair.receive();
    expect(pair.device.stats()).toMatchObject({
      tx_q0_good_packets: 1,
      tx_q0_good_bytes: 100,
      tx_q0_size_65_127_packets: 1,
      tx_q0_guest_notifications: 1,
      rx_q0_good_packets: 1,
      rx_q0_good_bytes: 64,
      rx_q0_size_64_packets: 1,
      rx_q0_guest_notifications: 1,
    });
  });
});

describe('statistics of a ring that is set up anew', () => {
  it('go on', async () => {
    await using pair = await started();
    supply(pair.guest.rings[0], 256);
    pair.send(packet(100));
    pair.backend.served.setup.stop(pair.backend.served.setup.vring(0));
    expect(pair.device.stats()).toMatchObject({ tx_q0_good_packets: 1 });
    for (const step of pair.guest.ringSteps(0)) await step.run(pair.frontend);
    await pair.frontend.ask(requests.GET_FEATURES, undefined);
    supply(pair.guest.rings[0], 256);
    pair.send(packet(100));
    expect(pair.device.stats()).toMatchObject({ tx_q0_good_packets: 2 });
  });
});

describe.each(formats)('the dump of %s rings', (_, options) => {
  it('has what the driver made available and the device has not used', async () => {
    await using pair = await started(options);
    const at = supply(pair.guest.rings[0], 256);
    expect(pair.device.dumpRing(0)).toMatchObject({
      size: 8,
      broken: undefined,
      inFlight: 1,
      listed: [
        {
          descriptors: [
            { address: `0x${at.toString(16)}`, length: 256, flags: expect.arrayContaining(['WRITE']) },
          ],
        },
      ],
    });
    pair.send(packet(60));
    expect(pair.device.dumpRing(0)).toMatchObject({ inFlight: 0, used: [{ length: 72 }] });
  });

  it('is there when the ring is broken', async () => {
    await using pair = await started(options);
    pair.guest.rings[1].expose([{ address: 0xdead_0000, length: 60 }]);
    pair.receive();
    expect(pair.device.dumpRing(1)).toMatchObject({
      broken: { code: 'ADDRESS_UNMAPPED' },
      listed: [{ descriptors: [{ address: '0xdead0000' }] }],
    });
  });

  it('is not there of a ring that is not', async () => {
    await using pair = await started(options);
    expect(pair.device.dumpRing(2)).toBe(undefined);
  });
});

describe('a capture', () => {
  const read = async (capture: Capture) => {
    capture.stop();
    const file: Uint8Array[] = [];
    for await (const bytes of capture) file.push(bytes);
    return readPcap(Buffer.concat(file)).packets.map(({ bytes }) => Uint8Array.from(bytes));
  };

  it.each([
    ['both', [packet(60), packet(64)]],
    ['rx', [packet(64)]],
    ['tx', [packet(60)]],
  ] as const)('of direction %s has what passes, seen from the backend', async (direction, expected) => {
    await using pair = await started();
    supply(pair.guest.rings[0], 256);
    const capture = pair.device.capture({ direction });
    pair.send(packet(60));
    sendFrom(pair.guest.rings[1], packet(64));
    pair.receive();
    expect(await read(capture)).toEqual(expected);
  });

  it('ends without an end of the device', async () => {
    await using pair = await started();
    pair.device.capture().stop();
    sendFrom(pair.guest.rings[1], packet(64));
    expect(pair.receive()).toEqual([packet(64)]);
  });
});

describe('a device whose connection is over', () => {
  async function over() {
    const pair = await started();
    pair.frontend.close();
    await until(() => pair.backend.ended.length > 0);
    return pair;
  }

  it('moves nothing and does not mind', async () => {
    await using pair = await over();
    expect([pair.send(packet(60)), pair.receive().length]).toEqual([0, 0]);
  });

  it('has no rings', async () => {
    await using pair = await over();
    expect([pair.device.running, pair.device.queueCount, pair.device.stats()]).toEqual([false, 0, {}]);
  });

  it('has no rings of any number', async () => {
    await using pair = await started();
    const moved = [-1, 2, 7, 1.5].map((ring) => pair.receive(ring).length);
    expect(moved).toEqual([0, 0, 0, 0]);
  });
});
