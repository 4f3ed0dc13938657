import { PacketBurst } from '@vio/net';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { frontendRequests as requests } from '../../wire/index.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import { baseIs, Guest } from '../../test-support/guest.ts';
import { headerBytes, packet, packetPool, packetsOf, sendFrom, supply } from '../../test-support/packets.ts';
import { Pair } from '../../test-support/pair.ts';

/** A frontend that keeps no notes of where a killed backend was says a packed ring's last base that it knows. */

const packed = { features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED, ring: { format: 'packed' } } as const;

/** A backend, and a guest whose rings were used by a predecessor as `before` does; the base said is `said`. */
async function replaced(
  before: (backend: TestBackend, guest: Guest) => void,
  said = 0x8000_8000,
  guest = new Guest(packed),
) {
  const pair = await Pair.start({ guest });
  const { backend } = pair;
  before(backend, guest);
  pair.frontend.close();
  await until(() => backend.ended.length > 0);
  await guest.start(await backend.connect(), { SET_VRING_BASE: baseIs(said) });
  return Object.assign(pair, {
    events: backend.events.filter((event) => /^(baseCorrected|broken|refused)/.test(event)),
  });
}

const sends = (count: number) => (backend: TestBackend, guest: Guest) => {
  for (let i = 0; i < count; i++) {
    sendFrom(guest.rings[1], packet(60, i));
    backend.device.dequeueBurst(1, packetPool(), new PacketBurst());
    guest.rings[1].used();
  }
};

it.each([1, 5, 8, 13])(
  'a ring that sent %i packets goes on where it was, and somebody is told',
  async (count) => {
    await using pair = await replaced(sends(count));
    sendFrom(pair.guest.rings[1], packet(60, 99));
    const position = ((count % 8) | (count % 16 < 8 ? 0x8000 : 0)) >>> 0;
    const base = ((position << 16) | position) >>> 0;
    const stale = base !== 0x8000_8000;
    expect([pair.receive(), pair.events]).toEqual([
      [packet(60, 99)],
      stale ? [`baseCorrected 1 1 80008000 ${base.toString(16)}`] : [],
    ]);
  },
);

it('what was in flight is sent', async () => {
  await using pair = await replaced((backend, guest) => {
    sends(3)(backend, guest);
    sendFrom(guest.rings[1], packet(60, 50));
    sendFrom(guest.rings[1], packet(60, 51));
  });
  expect(pair.receive()).toEqual([packet(60, 50), packet(60, 51)]);
});

it('a ring full of receive buffers goes on where it was', async () => {
  await using pair = await replaced((backend, guest) => {
    const [rx] = guest.rings;
    for (let i = 0; i < 8; i++) supply(rx, 256);
    backend.device.enqueueBurst(0, packetsOf(packetPool(), packet(60), packet(60), packet(60)));
    rx.used();
    for (let i = 0; i < 3; i++) supply(rx, 256);
  });
  const [rx] = pair.guest.rings;
  pair.backend.device.enqueueBurst(0, packetsOf(packetPool(), packet(60, 7)));
  expect([rx.used().map(({ length }) => length), pair.events]).toEqual([
    [60 + headerBytes],
    ['baseCorrected 1 0 80008000 80038003'],
  ]);
});

it('a ring that never ran may be said to be at 0', async () => {
  await using pair = await replaced(() => {}, 0);
  sendFrom(pair.guest.rings[1], packet(60));
  expect([pair.receive(), pair.events]).toEqual([
    [packet(60)],
    ['baseCorrected 1 0 0 80008000', 'baseCorrected 1 1 0 80008000'],
  ]);
});

describe('a ring that does not tell', () => {
  const chains = (backend: TestBackend, guest: Guest): void => {
    const [, tx] = guest.rings;
    for (let i = 0; i < 2; i++) {
      const head = tx.memory.put(new Uint8Array(headerBytes));
      tx.expose([
        { address: head, length: headerBytes },
        { address: tx.memory.put(packet(60, i)), length: 60 },
      ]);
      backend.device.dequeueBurst(1, packetPool(), new PacketBurst());
      tx.used();
    }
  };

  it('is broken, with the reason, and the other ones go on', async () => {
    await using pair = await replaced(chains);
    supply(pair.guest.rings[0], 256);
    const delivered = pair.backend.device.enqueueBurst(0, packetsOf(packetPool(), packet(60)));
    expect([pair.events, pair.guest.errs[1].drain(), delivered]).toEqual([
      ['broken 1 1 BASE_UNKNOWN'],
      true,
      1,
    ]);
  });

  it('believes a base that can be', async () => {
    await using pair = await replaced(chains, 0x8004_8004);
    sendFrom(pair.guest.rings[1], packet(60, 3));
    expect([pair.receive(), pair.events.filter((event) => / 1 1 /.test(event))]).toEqual([
      [packet(60, 3)],
      [],
    ]);
  });

  it('runs once it gets such a base and its addresses again', async () => {
    await using pair = await replaced(chains);
    const frontend = await again(pair.backend, pair.guest);
    await handled(frontend);
    sendFrom(pair.guest.rings[1], packet(60, 3));
    expect(pair.receive()).toEqual([packet(60, 3)]);
  });

  async function again(backend: TestBackend, guest: Guest) {
    const frontend = await backend.connect();
    await guest.start(frontend, { 'SET_VRING_BASE 1': baseIs(0x8000_8000) });
    await frontend.send(requests.SET_VRING_BASE, { index: 1, value: 0x8004_8004 });
    await frontend.send(requests.SET_VRING_ADDR, guest.address(1));
    return frontend;
  }
});

it('a split ring goes on where its used index says, whatever it is said', async () => {
  await using pair = await replaced(sends(3), 0, new Guest());
  sendFrom(pair.guest.rings[1], packet(60, 99));
  expect([pair.receive(), pair.events]).toEqual([[packet(60, 99)], []]);
});
