import { VIRTIO_F_EVENT_IDX, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { turns } from '@vio/test-support';
import { frontendRequests as requests } from '../../wire/index.ts';
import { handled } from '../../test-support/test-backend.ts';
import { packet, sendFrom, supply } from '../../test-support/packets.ts';
import { Pair } from '../../test-support/pair.ts';
import { untilDevicePackets } from './vhost-device.ts';

const cases = [false, true].flatMap((packed) =>
  [false, true].map((eventIdx) => ({
    format: packed ? ('packed' as const) : ('split' as const),
    eventIdx,
    features:
      VIRTIO_F_VERSION_1 | (packed ? VIRTIO_F_RING_PACKED : 0n) | (eventIdx ? VIRTIO_F_EVENT_IDX : 0n),
  })),
);

const started = ({ format, eventIdx, features }: (typeof cases)[number]): Promise<Pair> =>
  Pair.start({ guest: { features, ring: { format, eventIdx } } });

/** The driver sends, and kicks if it was asked to. @returns whether it was */
function sends(pair: Pair, seed = 0): boolean {
  sendFrom(pair.guest.rings[1], packet(60, seed));
  const wanted = pair.guest.rings[1].kickWanted();
  if (wanted) pair.guest.kicks[1].signal();
  return wanted;
}

/** @returns whether a wait has ended once everything that is under way has happened */
async function ended(wait: Promise<void>): Promise<boolean> {
  let over = false;
  void wait.then(() => (over = true));
  await turns(20);
  return over;
}

describe.each(cases)('a backend of $format rings that sleeps, EVENT_IDX $eventIdx:', (side) => {
  it('a driver is asked for silence while it is polled, and kicks while it is slept', async () => {
    await using pair = await started(side);
    const polled = sends(pair, 1);
    const first = pair.receive();
    const wait = pair.device.untilPackets();
    const slept = sends(pair, 2);
    await wait;
    const second = pair.receive();
    expect([polled, slept, sends(pair), first, second]).toEqual([
      false,
      true,
      false,
      [packet(60, 1)],
      [packet(60, 2)],
    ]);
  });

  it('what came before it sleeps is not slept over', async () => {
    await using pair = await started(side);
    sends(pair);
    await pair.device.untilPackets();
    expect(pair.receive()).toEqual([packet(60)]);
  });

  it('again and again, none is missed over laps of the ring', async () => {
    await using pair = await started(side);
    const received: Uint8Array[] = [];
    const sent = Array.from({ length: 50 }, (_, i) => i);
    for (const seed of sent) {
      const wait = pair.device.untilPackets();
      sends(pair, seed);
      await wait;
      received.push(...pair.receive());
      pair.guest.rings[1].used();
    }
    expect(received).toEqual(sent.map((seed) => packet(60, seed)));
  });

  it('wakes when its rings are placed anew, and the new ones are not silent', async () => {
    await using pair = await started(side);
    const wait = pair.device.untilPackets();
    await pair.frontend.send(requests.SET_VRING_ADDR, pair.guest.address(1));
    await handled(pair.frontend);
    expect(await ended(wait)).toBe(true);
    const again = pair.device.untilPackets();
    const kicks = sends(pair);
    await again;
    expect([kicks, pair.receive()]).toEqual([true, [packet(60)]]);
  });

  it('a driver goes on kicking if it was told to, also when its ring is set up anew', async () => {
    await using pair = await started(side);
    const waiting = pair.device.enableGuestNotification(1, true);
    const kicks = [sends(pair)];
    pair.receive();
    await pair.frontend.send(requests.SET_VRING_ADDR, pair.guest.address(1));
    await handled(pair.frontend);
    kicks.push(sends(pair));
    pair.receive();
    pair.device.enableGuestNotification(1, false);
    kicks.push(sends(pair));
    expect([waiting, kicks, pair.device.enableGuestNotification(1, true)]).toEqual([
      false,
      [true, true, false],
      true,
    ]);
  });

  it('a wait for receive buffers ends when the driver supplies some', async () => {
    await using pair = await started(side);
    const wait = pair.device.untilPackets({ queues: [0] });
    const before = await ended(wait);
    supply(pair.guest.rings[0], 256);
    if (pair.guest.rings[0].kickWanted()) pair.guest.kicks[0].signal();
    await wait;
    expect([before, pair.send(packet(60))]).toEqual([false, 1]);
  });
});

describe('a wait for packets', () => {
  it('has no other options than it says', async () => {
    await using pair = await Pair.start();
    const misspelt: object = { queue: 1 };
    await expect(pair.device.untilPackets(misspelt)).rejects.toMatchObject({ code: 'VIO_OPTION_UNKNOWN' });
  });

  it('goes on while nothing happens', async () => {
    await using pair = await Pair.start();
    expect(await ended(pair.device.untilPackets())).toBe(false);
  });

  it('ends by its signal', async () => {
    await using pair = await Pair.start();
    const stop = new AbortController();
    const wait = pair.device.untilPackets({ signal: stop.signal });
    stop.abort();
    await wait;
    await pair.device.untilPackets({ signal: stop.signal });
    expect(sends(pair)).toBe(false);
  });

  it('ends with the device, and those after it at once', async () => {
    await using pair = await Pair.start();
    const wait = pair.device.untilPackets();
    pair.frontend.close();
    await wait;
    await pair.device.untilPackets();
    expect(pair.receive()).toEqual([]);
  });

  it('of several devices ends when one of them has something', async () => {
    await using idle = await Pair.start();
    await using busy = await Pair.start();
    const wait = untilDevicePackets([idle.device, busy.device]);
    sends(busy);
    await wait;
    expect([idle.receive(), busy.receive()]).toEqual([[], [packet(60)]]);
  });

  it('of a driver that has nothing to kick with ends all the same', async () => {
    await using pair = await Pair.start();
    await pair.frontend.send(requests.SET_VRING_KICK, { index: 1, hasFd: false });
    await handled(pair.frontend);
    const wait = pair.device.untilPackets();
    sendFrom(pair.guest.rings[1], packet(60));
    await wait;
    expect(pair.receive()).toEqual([packet(60)]);
  });

  it('is one of several: the driver is silent when the last has ended', async () => {
    await using pair = await Pair.start();
    const stop = new AbortController();
    const other = pair.device.untilPackets({ signal: stop.signal });
    const wait = pair.device.untilPackets();
    stop.abort();
    await other;
    const kicks = sends(pair);
    await wait;
    pair.receive();
    expect([kicks, sends(pair)]).toEqual([true, false]);
  });
});
