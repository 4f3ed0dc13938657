import { ChainBurst, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { frontendRequests as requests } from '../../wire/index.ts';
import type { DeviceType } from '../type/device-type.ts';
import { type Guest, type GuestOptions } from '../../test-support/guest.ts';
import { Pair, type PairOptions } from '../../test-support/pair.ts';
import { handled } from '../../test-support/test-backend.ts';
import type { RawVring } from './raw-vring.ts';

/** Answers with what it was sent, turned round. */
const turner: DeviceType = {
  name: 'turner',
  id: 42,
  queues: 3,
  features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED,
};

const startOf = (options: PairOptions = {}): Promise<Pair> =>
  Pair.start({
    flags: { type: turner },
    ...options,
    guest: { rings: 1, ...(options.guest as GuestOptions) },
  });

/** A request with room for an answer. @returns where the answer will be */
function ask(guest: Guest, text: string, ring = 0): number {
  const driver = guest.rings[ring];
  const room = driver.memory.alloc(text.length);
  driver.expose([
    { address: driver.memory.put(text), length: text.length },
    { address: room, length: text.length, writable: true },
  ]);
  return room;
}

const answerAt = (guest: Guest, room: number, bytes: number): string =>
  new TextDecoder().decode(guest.rings[0].memory.read(room, bytes));

/** Takes what is there and answers it. @returns how many */
function turnRound(ring: RawVring): number {
  const chains = new ChainBurst(8);
  const count = ring.fetch(chains);
  for (let i = 0; i < count; i++) {
    const bytes = new Uint8Array(chains.readableBytes[i]);
    ring.bytes.read(chains, i, 0, bytes);
    chains.written[i] = ring.bytes.write(chains, i, 0, bytes.toReversed());
  }
  ring.complete(chains);
  return count;
}

function ringOf(pair: Pair, index = 0): RawVring {
  const ring = pair.device.rawVring(index);
  if (ring === undefined) throw new Error(`ring ${index} is not there`);
  return ring;
}

const formats = [
  ['split', VIRTIO_F_VERSION_1],
  ['packed', VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED],
] as const;

describe.each(formats)('a raw ring, %s', (format, features) => {
  const guest = { features, ring: { format } };

  it('is fetched from, answered and called for by an application that polls', async () => {
    await using pair = await startOf({ guest });
    const room = ask(pair.guest, 'abc');
    pair.guest.rings[0].wantCalls('always');
    expect(turnRound(ringOf(pair))).toBe(1);
    expect(pair.guest.rings[0].used()).toMatchObject([{ length: 3 }]);
    expect(answerAt(pair.guest, room, 3)).toBe('cba');
    expect(pair.guest.calls[0].drain()).toBe(true);
    expect(pair.device.guestNotifications).toBe(1);
  });

  it('does not ask to be kicked by one that polls', async () => {
    await using pair = await startOf({ guest });
    ask(pair.guest, 'abc');
    expect(pair.guest.rings[0].kickWanted()).toBe(false);
  });

  it('wakes one that sleeps until it is kicked', async () => {
    await using pair = await startOf({ guest });
    ringOf(pair).onKick((ring) => void turnRound(ring));
    // It has looked once, and sleeps.
    await handled(pair.frontend);
    const room = ask(pair.guest, 'abc');
    expect(pair.guest.rings[0].kickWanted()).toBe(true);
    pair.guest.kicks[0].signal();
    await until(() => pair.guest.rings[0].used().length === 1);
    expect(answerAt(pair.guest, room, 3)).toBe('cba');
  });

  it('is served for what was there before anybody listened', async () => {
    await using pair = await startOf({ guest });
    const room = ask(pair.guest, 'early');
    ringOf(pair).onKick((ring) => void turnRound(ring));
    await until(() => pair.guest.rings[0].used().length === 1);
    expect(answerAt(pair.guest, room, 5)).toBe('ylrae');
  });

  it('is served again for what was left, without another kick', async () => {
    await using pair = await startOf({ guest });
    const chains = new ChainBurst(1);
    for (let i = 0; i < 3; i++) ask(pair.guest, 'x');
    ringOf(pair).onKick((ring) => {
      ring.fetch(chains, 1);
      chains.written[0] = 0;
      ring.complete(chains);
    });
    let answered = 0;
    await until(() => (answered += pair.guest.rings[0].used().length) === 3);
    expect(answered).toBe(3);
  });

  it('may be completed later, and in any order', async () => {
    await using pair = await startOf({ guest });
    const ids = ['a', 'b', 'c'].map((text) => (ask(pair.guest, text), text));
    const chains = new ChainBurst(8);
    expect(ringOf(pair).fetch(chains)).toBe(ids.length);
    chains.written.fill(1);
    ringOf(pair).complete(chains, 2, 1);
    expect(pair.guest.rings[0].used()).toHaveLength(1);
    ringOf(pair).complete(chains, 0, 2);
    expect(pair.guest.rings[0].used()).toHaveLength(2);
  });

  it('gives back what was not wanted', async () => {
    await using pair = await startOf({ guest });
    ask(pair.guest, 'a');
    ask(pair.guest, 'b');
    const chains = new ChainBurst(8);
    ringOf(pair).fetch(chains);
    ringOf(pair).unfetch(chains, 1);
    ringOf(pair).complete(chains, 0, 1);
    expect([turnRound(ringOf(pair)), pair.guest.rings[0].used().length]).toEqual([1, 2]);
  });

  it('has nothing to fetch once it was stopped, and what is completed then goes nowhere', async () => {
    await using pair = await startOf({ guest });
    ask(pair.guest, 'a');
    const ring = ringOf(pair);
    const chains = new ChainBurst(8);
    ring.fetch(chains);
    await pair.frontend.ask(requests.GET_VRING_BASE, { index: 0, value: 0 });
    expect([ring.running, ring.size, ring.pending(), ring.fetch(new ChainBurst(8))]).toEqual([
      false,
      0,
      0,
      0,
    ]);
    ring.complete(chains);
    expect(pair.guest.rings[0].used()).toEqual([]);
  });

  it('goes on, and is listened to, in new memory', async () => {
    await using pair = await startOf({ guest });
    ringOf(pair).onKick((ring) => void turnRound(ring));
    const fds = pair.guest.regions.map(() => pair.guest.fd);
    await pair.frontend.send(requests.SET_MEM_TABLE, pair.guest.regions, { fds });
    await handled(pair.frontend);
    const room = ask(pair.guest, 'abc');
    await until(() => {
      pair.guest.kicks[0].signal();
      return pair.guest.rings[0].used().length === 1;
    });
    expect(answerAt(pair.guest, room, 3)).toBe('cba');
  });

  it('is looked at every few milliseconds when its driver has no kick', async () => {
    const instead = {
      SET_VRING_KICK: (frontend: Pair['frontend'], index: number) =>
        frontend.send(requests.SET_VRING_KICK, { index, hasFd: false }),
    };
    await using pair = await startOf({ guest, instead });
    ringOf(pair).onKick((ring) => void turnRound(ring));
    const room = ask(pair.guest, 'abc');
    await until(() => pair.guest.rings[0].used().length === 1);
    expect(answerAt(pair.guest, room, 3)).toBe('cba');
  });

  it('breaks by itself', async () => {
    await using pair = await startOf({ guest: { ...guest, rings: 2 } });
    ringOf(pair).onKick((ring) => void turnRound(ring));
    pair.guest.rings[0].expose([{ address: 0, length: 1 }]);
    pair.guest.kicks[0].signal();
    await until(() => pair.backend.broken.length > 0);
    expect(pair.backend.broken).toMatchObject([{ queue: 0, fault: { code: 'ADDRESS_UNMAPPED' } }]);
    expect(pair.guest.errs[0].drain()).toBe(true);
    ask(pair.guest, 'x', 1);
    expect(turnRound(ringOf(pair, 1))).toBe(1);
  });

  it('ends the connection, and nothing else, when who serves it throws', async () => {
    await using pair = await startOf({ guest });
    ringOf(pair).onKick(() => {
      throw new Error('no');
    });
    ask(pair.guest, 'x');
    pair.guest.kicks[0].signal();
    await until(() => pair.backend.ended.length > 0);
    expect(pair.backend.ended).toMatchObject([{ code: 'VIO_VHOST_INTERNAL', cause: { message: 'no' } }]);
  });
});

describe('a device whose rings are raw', () => {
  it('runs with its first ring, and tells of the others', async () => {
    await using pair = await startOf({ guest: { rings: 3 } });
    const told = pair.backend.events.filter((event) => /newDevice|vringState/.test(event));
    expect(told).toEqual([
      'vringStateChanged 0 0 on',
      'vringStateChanged 0 1 on',
      'vringStateChanged 0 2 on',
      'newDevice 0',
    ]);
  });

  it('leaves a disabled ring alone, whatever its frontend knows', async () => {
    await using pair = await startOf({ protocolFeatures: 0b1001n, instead: { SET_STATUS: 'skip' } });
    await pair.frontend.send(requests.SET_VRING_ENABLE, { index: 0, value: 0 });
    await handled(pair.frontend);
    ask(pair.guest, 'x');
    expect([ringOf(pair).running, turnRound(ringOf(pair))]).toEqual([false, 0]);
    await pair.frontend.send(requests.SET_VRING_ENABLE, { index: 0, value: 1 });
    await handled(pair.frontend);
    expect(turnRound(ringOf(pair))).toBe(1);
  });

  it('moves no packets', async () => {
    await using pair = await startOf({ guest: { rings: 2 } });
    expect([pair.receive(), pair.send(new Uint8Array(60)), pair.device.stats()]).toEqual([[], 0, {}]);
  });

  it('of a network card there are none', async () => {
    await using pair = await Pair.start();
    expect([pair.device.rawVring(0), pair.device.rawVring(9)]).toEqual([undefined, undefined]);
  });
});
