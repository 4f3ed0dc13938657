import { PacketBurst } from '@vio/net';
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { frontendRequests as requests } from '../wire/index.ts';
import { TestBackend, handled, until } from './backend.fixture.ts';
import { Guest } from './guest.fixture.ts';
import { packet, packetPool, packetsOf, sendFrom, supply } from './packets.fixture.ts';

const cases = [false, true].flatMap((packed) =>
  [false, true].flatMap((eventIdx) =>
    [0, 1].map((ring) => ({
      format: packed ? ('packed' as const) : ('split' as const),
      eventIdx,
      ring,
      features:
        VIRTIO_F_VERSION_1 | (packed ? VIRTIO_F_RING_PACKED : 0n) | (eventIdx ? VIRTIO_F_EVENT_IDX : 0n),
    })),
  ),
);

interface Death {
  readonly buffers?: number;
  readonly wants?: 'always' | 'never';
  /** False: the call comes last. */
  readonly callFirst?: boolean;
}

/** Two backends, one after the other, for a driver that has waited for `buffers` to be used when the first one died. */
async function afterDeath(
  { format, eventIdx, ring, features }: (typeof cases)[number],
  { buffers = 3, wants = 'always', callFirst = true }: Death = {},
) {
  const backend = await TestBackend.start();
  const guest = new Guest({ features, ring: { format, eventIdx } });
  const driver = guest.rings[ring];
  const first = await backend.connect();
  await guest.start(first);
  driver.wantCalls('never');
  for (let i = 0; i < buffers; i++) {
    if (ring === 1) sendFrom(driver, packet(60));
    else supply(driver, 256);
    const { device } = backend;
    if (ring === 1) device.dequeueBurst(1, packetPool(), new PacketBurst());
    else device.enqueueBurst(0, packetsOf(packetPool(), packet(60)));
    // All but the last ones are seen: the ring may be at a position of a fresh one.
    if (i < buffers - 1) driver.used();
  }
  driver.wantCalls(wants);
  const base =
    backend.device.vring(ring).enqueue?.queue.base() ?? backend.device.vring(ring).dequeue?.queue.base();
  first.close();
  await until(() => backend.ended.length > 0);
  guest.calls[ring].drain();
  const second = await backend.connect();
  const left: (() => Promise<void>)[] = [];
  for (const { name, run } of guest.steps()) {
    if (name === `SET_VRING_CALL ${ring}` && !callFirst) left.push(() => run(second));
    else if (name === `SET_VRING_BASE ${ring}`) {
      await second.send(requests.SET_VRING_BASE, { index: ring, value: base ?? 0 });
    } else await run(second);
  }
  await handled(second);
  const before = guest.calls[ring].drain();
  for (const step of left) await step();
  await handled(second);
  return {
    before,
    after: guest.calls[ring].drain(),
    calls: () => backend.device.guestNotifications,
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]();
      guest[Symbol.dispose]();
    },
  };
}

describe.each(cases)(
  '$format ring $ring, EVENT_IDX $eventIdx: a driver that sleeps since its backend died',
  (side) => {
    it('is called once when the ring is resumed', async () => {
      await using resumed = await afterDeath(side);
      expect([resumed.before, resumed.calls()]).toEqual([true, 1]);
    });

    it('is called when all buffers of two laps were used, and the ring is where a fresh one begins', async () => {
      await using resumed = await afterDeath(side, { buffers: 16 });
      expect(resumed.before).toBe(true);
    });

    it('is called once there is a call, if that comes later', async () => {
      await using resumed = await afterDeath(side, { callFirst: false });
      expect([resumed.before, resumed.after, resumed.calls()]).toEqual([false, true, 1]);
    });
  },
);

// With EVENT_IDX a split ring cannot say so: an event that has passed is one that is far away.
const silent = cases.filter(({ format, eventIdx }) => format === 'packed' || !eventIdx);

it.each(silent)(
  '$format ring $ring, EVENT_IDX $eventIdx: a driver that wants no calls gets none',
  async (side) => {
    await using resumed = await afterDeath(side, { wants: 'never' });
    expect([resumed.before, resumed.calls()]).toEqual([false, 0]);
  },
);
