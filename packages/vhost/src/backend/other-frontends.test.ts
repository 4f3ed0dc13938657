import { PacketBurst } from '@vio/net';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import type { ScriptedFrontend } from '../testing/index.ts';
import {
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  encodeRequest,
  frontendRequests as requests,
} from '../wire/index.ts';
import { TestBackend, handled } from './backend.fixture.ts';
import { Guest, type GuestOptions } from './guest.fixture.ts';
import { contentsOf, packet, packetPool, packetsOf, sendFrom, supply } from './packets.fixture.ts';

/** What frontends other than QEMU and DPDK's say: user-mode Linux, rust-vmm, small monitors. */

const formats = [
  ['split', { features: VIRTIO_F_VERSION_1 }],
  ['packed', { features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED, ring: { format: 'packed' } }],
] as const;

/** Packets both ways through the first pair. */
function moves(backend: TestBackend, guest: Guest, seed: number): boolean {
  const [rx, tx] = guest.rings;
  sendFrom(tx, packet(60, seed));
  const burst = new PacketBurst();
  backend.device.dequeueBurst(1, packetPool(), burst);
  tx.used();
  const address = supply(rx, 2048);
  backend.device.enqueueBurst(0, packetsOf(packetPool(), packet(80, seed)));
  rx.used();
  const same = (a: Uint8Array | undefined, b: Uint8Array): boolean =>
    a !== undefined && Buffer.compare(a, b) === 0;
  return (
    same(contentsOf(burst)[0], packet(60, seed)) && same(rx.memory.read(address + 12, 80), packet(80, seed))
  );
}

async function say(frontend: ScriptedFrontend, guest: Guest, skip: RegExp): Promise<void> {
  for (const { name, run } of guest.steps()) if (!skip.test(name)) await run(frontend);
  await handled(frontend);
}

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
    expect(await frontend.ask(requests.GET_PROTOCOL_FEATURES, null)).not.toBe(null);
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
  async function disabled(used: number) {
    const backend = await TestBackend.start();
    const frontend = await backend.connect();
    const guest = new Guest(options);
    await guest.start(frontend);
    for (let i = 0; i < used; i++) moves(backend, guest, i);
    for (const index of [0, 1]) await frontend.send(requests.SET_VRING_ENABLE, { index, value: 0 });
    return {
      backend,
      frontend,
      guest,
      async [Symbol.asyncDispose]() {
        await backend[Symbol.asyncDispose]();
        guest[Symbol.dispose]();
      },
    };
  }

  it.each([
    ['after 3 packets', 3, 16],
    ['after a lap', 8, 16],
    ['never used', 0, 4],
  ])('others of another size may take their place, %s', async (_what, used, size) => {
    await using pair = await disabled(used);
    using next = new Guest({ ...options, size });
    await say(pair.frontend, next, /OWNER/);
    expect([moves(pair.backend, next, 1), moves(pair.backend, next, 2), pair.backend.refused]).toEqual([
      true,
      true,
      [],
    ]);
  });

  it('others of the same size may', async () => {
    await using pair = await disabled(3);
    using next = new Guest(options);
    await say(pair.frontend, next, /OWNER/);
    expect([moves(pair.backend, next, 1), pair.backend.refused]).toEqual([true, []]);
  });

  it('others may that begin where the old ones are by chance', async () => {
    // 8 buffers once around: both positions are 0, and both wrap counters of packed rings.
    await using pair = await disabled(8);
    using next = new Guest(options);
    for (const { name, run } of next.steps()) {
      const [, ring] = /BASE (\d)/.exec(name) ?? [];
      if (ring === undefined) await run(pair.frontend);
      else await pair.frontend.send(requests.SET_VRING_BASE, { index: Number(ring), value: 0 });
    }
    await handled(pair.frontend);
    expect([moves(pair.backend, next, 1), pair.backend.refused]).toEqual([true, []]);
  });

  it('others may that have no base, and lie elsewhere', async () => {
    await using pair = await disabled(3);
    using next = new Guest(options);
    await say(pair.frontend, next, /OWNER|BASE/);
    expect([moves(pair.backend, next, 1), pair.backend.refused]).toEqual([true, []]);
  });

  it('others that are said to be at 0, as by user-mode Linux, may', async () => {
    await using pair = await disabled(3);
    using next = new Guest(options);
    for (const { name, run } of next.steps()) {
      const [, ring] = /BASE (\d)/.exec(name) ?? [];
      if (ring === undefined) await run(pair.frontend);
      else await pair.frontend.send(requests.SET_VRING_BASE, { index: Number(ring), value: 0 });
    }
    await handled(pair.frontend);
    expect([moves(pair.backend, next, 1), pair.backend.refused]).toEqual([true, []]);
  });

  it('others with other features may, and the device is a new one', async () => {
    await using pair = await disabled(3);
    using next = new Guest({
      features: (options.features ?? 0n) ^ VIRTIO_F_RING_PACKED,
      ring: { format: format === 'packed' ? 'split' : 'packed' },
    });
    await say(pair.frontend, next, /OWNER/);
    expect([moves(pair.backend, next, 1), pair.backend.refused]).toEqual([true, []]);
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
    expect(moves(pair.backend, pair.guest, 9)).toBe(true);
  });
});

describe('disabled rings of frontends that do not know queue pairs (MQ)', () => {
  async function disabled() {
    const backend = await TestBackend.start();
    const guest = new Guest();
    const frontend = await backend.connect(VHOST_USER_PROTOCOL_F_REPLY_ACK);
    for (const { name, run } of guest.steps()) if (name !== 'SET_STATUS') await run(frontend);
    for (const index of [0, 1]) await frontend.send(requests.SET_VRING_ENABLE, { index, value: 0 });
    await handled(frontend);
    return {
      backend,
      guest,
      frontend,
      async [Symbol.asyncDispose]() {
        await backend[Symbol.asyncDispose]();
        guest[Symbol.dispose]();
      },
    };
  }
  const drain = ({ device }: TestBackend): number => device.dequeueBurst(1, packetPool(), new PacketBurst());

  it('are not touched: their memory may belong to others already', async () => {
    await using pair = await disabled();
    sendFrom(pair.guest.rings[1], packet(60));
    drain(pair.backend);
    expect(pair.guest.rings[1].used()).toEqual([]);
  });

  it('go on where they were when they are enabled again', async () => {
    await using pair = await disabled();
    for (const index of [0, 1]) await pair.frontend.send(requests.SET_VRING_ENABLE, { index, value: 1 });
    await handled(pair.frontend);
    expect(moves(pair.backend, pair.guest, 1)).toBe(true);
  });

  it('unlike those of frontends that do, which are drained', async () => {
    await using backend = await TestBackend.start();
    using guest = new Guest();
    const frontend = await backend.connect();
    await guest.start(frontend);
    await frontend.send(requests.SET_VRING_ENABLE, { index: 1, value: 0 });
    await handled(frontend);
    sendFrom(guest.rings[1], packet(60));
    drain(backend);
    expect(guest.rings[1].used()).toHaveLength(1);
  });
});

describe('a device that starts its rings before it says its features', () => {
  const bit30 = 1n << 30n;
  const start = async (features: bigint, after: RegExp) => {
    const backend = await TestBackend.start();
    const guest = new Guest();
    const frontend = await backend.connect(0n);
    for (const { name, run } of guest.steps()) {
      if (/FEATURES|ENABLE|STATUS/.test(name)) continue;
      await run(frontend);
      if (after.test(name)) await frontend.send(requests.SET_FEATURES, features);
    }
    await handled(frontend);
    return {
      backend,
      guest,
      async [Symbol.asyncDispose]() {
        await backend[Symbol.asyncDispose]();
        guest[Symbol.dispose]();
      },
    };
  };

  it.each([
    ['between its rings', /KICK 0/],
    ['after its last', /KICK 1/],
  ])('%s has rings of those features, enabled without bit 30', async (_, after) => {
    await using pair = await start(VIRTIO_F_VERSION_1, after);
    expect([moves(pair.backend, pair.guest, 1), pair.backend.refused]).toEqual([true, []]);
  });

  it('has rings that wait to be enabled with bit 30', async () => {
    await using pair = await start(VIRTIO_F_VERSION_1 | bit30, /KICK 1/);
    expect(pair.backend.events.filter((event) => /vring|newDevice/.test(event))).toEqual([]);
  });

  it('may correct itself until the device is complete', async () => {
    await using backend = await TestBackend.start();
    using guest = new Guest({
      features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED,
      ring: { format: 'packed' },
    });
    const frontend = await backend.connect();
    for (const { name, run } of guest.steps()) {
      if (name === 'SET_FEATURES') await frontend.send(requests.SET_FEATURES, bit30);
      else await run(frontend);
      if (name === 'SET_VRING_KICK 0') await frontend.send(requests.SET_FEATURES, guest.features);
    }
    await handled(frontend);
    expect([moves(backend, guest, 1), backend.refused]).toEqual([true, []]);
  });
});

describe.each(formats)('GET_VRING_BASE, %s:', (format, options: GuestOptions) => {
  const fresh = format === 'packed' ? 0x8000_8000 : 0;

  it('a ring that nobody spoke of is at its beginning', async () => {
    await using backend = await TestBackend.start();
    using guest = new Guest(options);
    const frontend = await backend.connect();
    await guest.start(frontend);
    expect(await frontend.ask(requests.GET_VRING_BASE, { index: 3, value: 0 })).toEqual({
      index: 3,
      value: fresh,
    });
  });

  it('a ring that was only told a base is there', async () => {
    await using backend = await TestBackend.start();
    using guest = new Guest(options);
    const frontend = await backend.connect();
    await guest.start(frontend);
    await frontend.send(requests.SET_VRING_BASE, { index: 3, value: 5 });
    expect(await frontend.ask(requests.GET_VRING_BASE, { index: 3, value: 0 })).toEqual({
      index: 3,
      value: 5,
    });
  });
});
