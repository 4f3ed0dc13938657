import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import {
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  encodeRequest,
  frontendRequests as requests,
} from '../../wire/index.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import { baseIs, Guest, type GuestOptions } from '../../test-support/guest.ts';
import { packet, sendFrom } from '../../test-support/packets.ts';
import { Pair } from '../../test-support/pair.ts';

/** What frontends other than QEMU and DPDK's say: user-mode Linux, rust-vmm, small monitors. */

const formats = [
  ['split', { features: VIRTIO_F_VERSION_1 }],
  ['packed', { features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED, ring: { format: 'packed' } }],
] as const;

describe('an acknowledgement', () => {
  const ackOnly = VHOST_USER_PROTOCOL_F_REPLY_ACK;

  it('is owed for the request that switches REPLY_ACK on', async () => {
    await using backend = await TestBackend.start();
    const frontend = await backend.connect(0n);
    expect(await frontend.acknowledged(requests.SET_PROTOCOL_FEATURES, ackOnly)).toBe(0n);
  });

  it('is owed for the one that switches it off, asked for while it was on', async () => {
    await using backend = await TestBackend.start();
    const frontend = await backend.connect(ackOnly);
    expect(await frontend.acknowledged(requests.SET_PROTOCOL_FEATURES, 0n)).toBe(0n);
  });

  it('is not sent to who never heard of it', async () => {
    await using backend = await TestBackend.start();
    const frontend = await backend.connect(0n);
    await frontend.send(requests.SET_PROTOCOL_FEATURES, 0n, { needReply: true });
    expect(await frontend.ask(requests.GET_PROTOCOL_FEATURES, undefined)).not.toBe(undefined);
  });
});

it.each([1, 7])('a memory table may have room for %i regions more', async (more) => {
  await using backend = await TestBackend.start();
  using guest = new Guest({ rings: 1 });
  const frontend = await backend.connect();
  const exact = encodeRequest(requests.SET_MEM_TABLE, guest.regions, true);
  const bytes = new Uint8Array(exact.length + 32 * more).fill(0xff);
  bytes.set(exact);
  new DataView(bytes.buffer).setUint32(8, bytes.length - 12, true);
  await frontend.sendRaw(bytes, [guest.fd]);
  expect((await frontend.next()).payload[0]).toBe(0);
});

describe.each(formats)('rings that are only disabled, %s:', (format, options: GuestOptions) => {
  async function disabled(used: number): Promise<Pair> {
    const pair = await Pair.start({ guest: options });
    for (let i = 0; i < used; i++) pair.moves(pair.guest, i);
    for (const index of [0, 1]) await pair.frontend.send(requests.SET_VRING_ENABLE, { index, value: 0 });
    return pair;
  }
  const again = { SET_OWNER: 'skip' } as const;

  it.each([
    ['after 3 packets', 3, 16],
    ['after a lap', 8, 16],
    ['never used', 0, 4],
  ])('others of another size may take their place, %s', async (_what, used, size) => {
    await using pair = await disabled(used);
    using next = new Guest({ ...options, size });
    await next.start(pair.frontend, again);
    expect([pair.moves(next, 1), pair.moves(next, 2), pair.backend.refused]).toEqual([true, true, []]);
  });

  it('others of the same size may', async () => {
    await using pair = await disabled(3);
    using next = new Guest(options);
    await next.start(pair.frontend, again);
    expect([pair.moves(next, 1), pair.backend.refused]).toEqual([true, []]);
  });

  it('others may that begin where the old ones are by chance', async () => {
    // 8 buffers once around: both positions are 0, and both wrap counters of packed rings.
    await using pair = await disabled(8);
    using next = new Guest(options);
    await next.start(pair.frontend, { SET_VRING_BASE: baseIs(0) });
    expect([pair.moves(next, 1), pair.backend.refused]).toEqual([true, []]);
  });

  it('others may that have no base, and lie elsewhere', async () => {
    await using pair = await disabled(3);
    using next = new Guest(options);
    await next.start(pair.frontend, { ...again, SET_VRING_BASE: 'skip' });
    expect([pair.moves(next, 1), pair.backend.refused]).toEqual([true, []]);
  });

  it('others that are said to be at 0, as by user-mode Linux, may', async () => {
    await using pair = await disabled(3);
    using next = new Guest(options);
    await next.start(pair.frontend, { SET_VRING_BASE: baseIs(0) });
    expect([pair.moves(next, 1), pair.backend.refused]).toEqual([true, []]);
  });

  it('others with other features may, and the device is a new one', async () => {
    await using pair = await disabled(3);
    using next = new Guest({
      features: (options.features ?? 0n) ^ VIRTIO_F_RING_PACKED,
      ring: { format: format === 'packed' ? 'split' : 'packed' },
    });
    await next.start(pair.frontend, again);
    expect([pair.moves(next, 1), pair.backend.refused]).toEqual([true, []]);
    expect(pair.backend.events.filter((event) => /Device/.test(event))).toEqual([
      'newDevice 0',
      'destroyDevice 0',
      'newDevice 0',
    ]);
  });

  it('they go on where they were when they are enabled again', async () => {
    await using pair = await disabled(3);
    for (const index of [0, 1]) await pair.frontend.send(requests.SET_VRING_ENABLE, { index, value: 1 });
    await handled(pair.frontend);
    expect(pair.moves(pair.guest, 9)).toBe(true);
  });
});

describe('disabled rings of frontends that do not know queue pairs (MQ)', () => {
  async function disabled(): Promise<Pair> {
    const pair = await Pair.start({
      protocolFeatures: VHOST_USER_PROTOCOL_F_REPLY_ACK,
      instead: { SET_STATUS: 'skip' },
    });
    for (const index of [0, 1]) await pair.frontend.send(requests.SET_VRING_ENABLE, { index, value: 0 });
    await handled(pair.frontend);
    return pair;
  }

  it('are not touched: their memory may belong to others already', async () => {
    await using pair = await disabled();
    sendFrom(pair.guest.rings[1], packet(60));
    pair.receive();
    expect(pair.guest.rings[1].used()).toEqual([]);
  });

  it('go on where they were when they are enabled again', async () => {
    await using pair = await disabled();
    for (const index of [0, 1]) await pair.frontend.send(requests.SET_VRING_ENABLE, { index, value: 1 });
    await handled(pair.frontend);
    expect(pair.moves(pair.guest, 1)).toBe(true);
  });

  it('unlike those of frontends that do, which are drained', async () => {
    await using pair = await Pair.start();
    await pair.frontend.send(requests.SET_VRING_ENABLE, { index: 1, value: 0 });
    await handled(pair.frontend);
    sendFrom(pair.guest.rings[1], packet(60));
    pair.receive();
    expect(pair.guest.rings[1].used()).toHaveLength(1);
  });
});

describe('a device that starts its rings before it says its features', () => {
  const bit30 = 1n << 30n;
  /** @param at the step after which SET_FEATURES comes */
  const start = (features: bigint, at: string): Promise<Pair> => {
    const guest = new Guest();
    const kick = guest.steps().find(({ name }) => name === at);
    return Pair.start({
      guest,
      protocolFeatures: 0n,
      instead: {
        SET_FEATURES: 'skip',
        SET_VRING_ENABLE: 'skip',
        SET_STATUS: 'skip',
        [at]: async (frontend) => {
          await kick?.run(frontend);
          await frontend.send(requests.SET_FEATURES, features);
        },
      },
    });
  };

  it.each([
    ['between its rings', 'SET_VRING_KICK 0'],
    ['after its last', 'SET_VRING_KICK 1'],
  ])('%s has rings of those features, enabled without bit 30', async (_, after) => {
    await using pair = await start(VIRTIO_F_VERSION_1, after);
    expect([pair.moves(pair.guest, 1), pair.backend.refused]).toEqual([true, []]);
  });

  it('has rings that wait to be enabled with bit 30', async () => {
    await using pair = await start(VIRTIO_F_VERSION_1 | bit30, 'SET_VRING_KICK 1');
    expect(pair.backend.events.filter((event) => /vring|newDevice/.test(event))).toEqual([]);
  });

  it('may correct itself until the device is complete', async () => {
    const guest = new Guest({
      features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED,
      ring: { format: 'packed' },
    });
    const kick = guest.ringSteps(0).at(-1);
    await using pair = await Pair.start({
      guest,
      instead: {
        SET_FEATURES: (frontend) => frontend.send(requests.SET_FEATURES, bit30),
        'SET_VRING_KICK 0': async (frontend) => {
          await kick?.run(frontend);
          await frontend.send(requests.SET_FEATURES, guest.features);
        },
      },
    });
    expect([pair.moves(guest, 1), pair.backend.refused]).toEqual([true, []]);
  });
});

describe.each(formats)('GET_VRING_BASE, %s:', (format, options: GuestOptions) => {
  const fresh = format === 'packed' ? 0x8000_8000 : 0;

  it('a ring that nobody spoke of is at its beginning', async () => {
    await using pair = await Pair.start({ guest: options });
    const { frontend } = pair;
    expect(await frontend.ask(requests.GET_VRING_BASE, { index: 3, value: 0 })).toEqual({
      index: 3,
      value: fresh,
    });
  });

  it('a ring that was only told a base is there', async () => {
    await using pair = await Pair.start({ guest: options });
    const { frontend } = pair;
    await frontend.send(requests.SET_VRING_BASE, { index: 3, value: 5 });
    expect(await frontend.ask(requests.GET_VRING_BASE, { index: 3, value: 0 })).toEqual({
      index: 3,
      value: 5,
    });
  });

  describe('after packets have moved', () => {
    /** As a driver that has sent and received one. */
    const moved = async (): Promise<Pair> => {
      const pair = await Pair.start({ guest: options });
      if (!pair.moves(pair.guest, 1)) throw new Error('the packets do not arrive');
      return pair;
    };
    const bases = async ({ frontend }: Pair): Promise<(number | undefined)[]> => {
      const first = await frontend.ask(requests.GET_VRING_BASE, { index: 0, value: 0 });
      const second = await frontend.ask(requests.GET_VRING_BASE, { index: 1, value: 0 });
      return [first?.value, second?.value];
    };
    /** In a packed ring both halves, and the wrap counters of the first round. */
    const behindOne = format === 'packed' ? 0x8001_8001 : 1;

    it('says where the rings are', async () => {
      await using pair = await moved();
      expect(await bases(pair)).toEqual([behindOne, behindOne]);
    });

    it('says where the rings were when the driver has reset the device', async () => {
      // As QEMU 7.2 does, which goes on itself where a guest has no link.
      await using pair = await moved();
      await pair.frontend.send(requests.SET_STATUS, 0);
      expect(await bases(pair)).toEqual([behindOne, behindOne]);
    });

    it('says nothing of a ring that has a new base since', async () => {
      await using pair = await moved();
      await pair.frontend.send(requests.SET_STATUS, 0);
      await pair.frontend.send(requests.SET_VRING_BASE, { index: 0, value: fresh });
      expect(await bases(pair)).toEqual([fresh, behindOne]);
    });

    it.each(['RESET_OWNER', 'RESET_DEVICE'] as const)('says nothing of rings before %s', async (request) => {
      await using pair = await moved();
      await pair.frontend.send(requests.SET_STATUS, 0);
      await pair.frontend.send(requests[request], undefined);
      expect(await bases(pair)).toEqual([fresh, fresh]);
    });
  });
});
