import { VIRTIO_F_EVENT_IDX, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { handled } from '../../test-support/test-backend.ts';
import { baseIs } from '../../test-support/guest.ts';
import { packet, sendFrom, supply } from '../../test-support/packets.ts';
import { Pair } from '../../test-support/pair.ts';

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
  /** The call comes once more, when the ring runs. */
  readonly callAgain?: boolean;
}

/** Two backends, one after the other, for a driver that has waited for `buffers` to be used when the first one died. */
async function afterDeath(
  { format, eventIdx, ring, features }: (typeof cases)[number],
  { buffers = 3, wants = 'always', callFirst = true, callAgain = false }: Death = {},
) {
  const pair = await Pair.start({ guest: { features, ring: { format, eventIdx } } });
  const { backend, guest } = pair;
  const driver = guest.rings[ring];
  driver.wantCalls('never');
  for (let i = 0; i < buffers; i++) {
    if (ring === 1) sendFrom(driver, packet(60));
    else supply(driver, 256);
    if (ring === 1) pair.receive();
    else pair.send(packet(60));
    // All but the last ones are seen: the ring may be at a position of a fresh one.
    if (i < buffers - 1) driver.used();
  }
  driver.wantCalls(wants);
  const { enqueue, dequeue } = pair.served.setup.vring(ring);
  const base = (enqueue ?? dequeue)?.queue.base() ?? 0;
  pair.frontend.close();
  await until(() => backend.ended.length > 0);
  guest.calls[ring].drain();
  const second = await backend.connect();
  const call = `SET_VRING_CALL ${ring}`;
  await guest.start(second, {
    [`SET_VRING_BASE ${ring}`]: baseIs(base),
    ...(callFirst ? {} : { [call]: 'skip' as const }),
  });
  const before = guest.calls[ring].drain();
  if (!callFirst || callAgain)
    await guest
      .steps()
      .find(({ name }) => name === call)
      ?.run(second);
  await handled(second);
  return Object.assign(pair, {
    before,
    after: guest.calls[ring].drain(),
    calls: () => backend.device.guestNotifications,
  });
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

    it('is called again by a descriptor that takes the place of the first one, which nobody may have listened to', async () => {
      await using resumed = await afterDeath(side, { callAgain: true });
      expect([resumed.before, resumed.after, resumed.calls()]).toEqual([true, true, 2]);
    });
  },
);

// With EVENT_IDX a split ring cannot say so: an event that has passed is one that is far away.
const silent = cases.filter(({ format, eventIdx }) => format === 'packed' || !eventIdx);

it.each(silent)(
  '$format ring $ring, EVENT_IDX $eventIdx: a driver that wants no calls gets none',
  async (side) => {
    await using resumed = await afterDeath(side, { wants: 'never', callAgain: true });
    expect([resumed.before, resumed.after, resumed.calls()]).toEqual([false, false, 0]);
  },
);
