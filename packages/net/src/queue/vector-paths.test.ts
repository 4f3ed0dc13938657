import { VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED, VectorDriver } from '@vio/rings';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM } from '../feature-bits.ts';
import { PacketBurst } from '../packet-burst.ts';
import { isVectorized } from '../paths.ts';
import { Wire, fillBurst, frameOf, framesIn, modern } from '../test-support/wire.ts';
import { VectorRxQueue } from './rx-queue.ts';

const kinds = [
  { ring: 'split', features: modern },
  { ring: 'packed in-order', features: modern | VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER },
];

const dataRoom = 256;
const open = (features: bigint, vectorized: boolean): Wire => {
  const wire = Wire.one({ features, vectorized, dataRoom });
  wire.rx.fill();
  return wire;
};

/** What an application, or the device, does to a queue pair. */
type Step =
  | { readonly does: 'deliver'; readonly bytes: number }
  | { readonly does: 'lie'; readonly written: number }
  | { readonly does: 'receive'; readonly capacity: number }
  | { readonly does: 'send'; readonly lengths: readonly number[] }
  | { readonly does: 'take'; readonly max: number }
  | { readonly does: 'reap' }
  | { readonly does: 'corrupt'; readonly direction: 'rx' | 'tx' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ does: fc.constant('deliver'), bytes: fc.integer({ min: 1, max: dataRoom }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant('lie'),
      written: fc.constantFrom(0, 11, 12, dataRoom + 13, 0x7fff_ffff, -1),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ does: fc.constant('receive'), capacity: fc.integer({ min: 1, max: 40 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      does: fc.constant('send'),
      lengths: fc.array(
        fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: dataRoom }) }, fc.constant(600)),
        {
          maxLength: 10,
        },
      ),
    }),
  },
  { weight: 4, arbitrary: fc.record({ does: fc.constant('take'), max: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('reap') }) },
  {
    weight: 1,
    arbitrary: fc.record({ does: fc.constant('corrupt'), direction: fc.constantFrom('rx', 'tx') }),
  },
);

/** @returns all there is to see of a step */
function play(wire: Wire, now: Step, round: number): unknown {
  const { pool, rx, tx } = wire;
  const burst = new PacketBurst(now.does === 'receive' ? now.capacity : 40);
  switch (now.does) {
    case 'deliver':
      if (wire.receiveq.pending() > 0) wire.deliver(frameOf(now.bytes, round));
      return null;
    case 'lie':
      if (wire.receiveq.pending() > 0) wire.use(frameOf(20, round), now.written);
      return null;
    case 'receive': {
      // Until there is nothing more: a vectorised path leaves what is wrong to the next call.
      const frames: Uint8Array[] = [];
      while (rx.receive(burst) > 0 || rx.receive(burst) > 0) {
        frames.push(...framesIn(pool, burst));
        burst.release(pool);
      }
      return frames;
    }
    case 'send': {
      const buffers = now.lengths.reduce((sum, bytes) => sum + Math.ceil(bytes / dataRoom), 0);
      if (buffers > pool.free) return null;
      fillBurst(
        pool,
        burst,
        now.lengths.map((bytes, i) => frameOf(bytes, round + i)),
      );
      const taken = tx.send(burst);
      burst.release(pool, taken);
      return taken;
    }
    case 'take':
      return wire.take(now.max);
    case 'reap':
      return tx.reap();
    case 'corrupt':
      return wire.corrupt(now.direction === 'rx' ? rx.queue : tx.queue);
  }
}

describe.each(kinds)('the paths of a $ring ring', ({ features }) => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it.each([
    ['nothing else', {}],
    ['transmit offloads', { features: features | VIRTIO_NET_F_CSUM }],
    ['receive offloads', { features: features | VIRTIO_NET_F_GUEST_CSUM }],
    ['VLAN tags stripped', { rules: { vlanStrip: true } }],
    ['VLAN tags inserted', { rules: { vlanInsert: true } }],
    ['an MTU', { rules: { mtu: 1500 } }],
  ])('are those that run: vectorised ones asked for, and %s', (_what, more) => {
    const moved = [vi.spyOn(VectorDriver.prototype, 'receive'), vi.spyOn(VectorDriver.prototype, 'send')];
    const wire = Wire.one({ features, vectorized: true, dataRoom, ...more });
    wire.rx.fill();
    const burst = new PacketBurst(8, { offloads: true, vlan: true });
    wire.deliver(frameOf(60));
    expect(wire.rx.receive(burst)).toBe(1);
    expect(wire.tx.send(burst)).toBe(1);
    const byKernel = moved.map((calls) => calls.mock.results.some(({ value }) => Number(value) > 0));
    expect(byKernel).toEqual([isVectorized(wire.paths.rx.path), isVectorized(wire.paths.tx.path)]);
  });
});

describe.each(kinds)('the vectorised paths of a $ring ring', ({ features }) => {
  it('are what a pair takes that asks for them', () => {
    const taken = [false, true].map((vectorized) => open(features, vectorized).rx instanceof VectorRxQueue);
    expect(taken).toEqual([false, true]);
  });

  it('do what the scalar ones do, whatever device and application do', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const wires = [open(features, false), open(features, true)];
        for (const [round, now] of steps.entries()) {
          const [scalar, vector] = wires.map((wire) => ({
            seen: play(wire, now, round),
            buffers: wire.pool.free + wire.rx.queue.outstanding + wire.tx.queue.outstanding,
            broken: wire.broken,
            counters: [wire.rx.stats.toRecord(''), wire.tx.stats.toRecord('')],
          }));
          expect(vector).toEqual(scalar);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('count frames by size and by whom they are for', () => {
    const wire = open(features, true);
    const burst = new PacketBurst(8);
    const multicast = frameOf(64).fill(1, 0, 1);
    const broadcast = frameOf(200).fill(0xff, 0, 6);
    const unicast = frameOf(40).fill(2, 0, 1);
    for (const frame of [multicast, broadcast, unicast]) wire.deliver(frame);
    wire.rx.receive(burst);
    const counters = Object.entries(wire.rx.stats.toRecord('')).filter(([, count]) => count > 0);
    expect(Object.fromEntries(counters)).toEqual({
      good_packets: 3,
      good_bytes: 304,
      multicast_packets: 1,
      broadcast_packets: 1,
      undersize_packets: 1,
      size_64_packets: 1,
      size_128_255_packets: 1,
    });
  });

  it('leave no offload of an earlier use in a header', () => {
    const wire = open(features, true);
    const burst = new PacketBurst(8);
    fillBurst(wire.pool, burst, [frameOf(60)]);
    wire.region.u8.fill(0xee, burst.offset[0] - 12, burst.offset[0]);
    wire.tx.send(burst);
    expect([...wire.take()[0].header]).toEqual(Array.from({ length: 12 }, () => 0));
  });

  it('go on behind packets of several segments', () => {
    const wire = open(features, true);
    const burst = new PacketBurst(8);
    const frames = [frameOf(60), frameOf(600, 2), frameOf(61, 3)];
    fillBurst(wire.pool, burst, frames);
    wire.tx.send(burst);
    expect(wire.take().map(({ frame }) => frame)).toEqual(frames);
  });

  it('take the rings over from a device that went away', () => {
    const [before, after] = [open(features, true), open(features, true)];
    before.deliver(frameOf(60));
    before.rx.restart(after.rx.queue);
    expect(before.pool.free).toBe(before.pool.count);
  });
});

it.each(kinds)(
  'a vectorized queue drops a packet of more buffers than its $ring ring has',
  ({ features }) => {
    const wire = open(features, true);
    const burst = new PacketBurst(3);
    fillBurst(wire.pool, burst, [frameOf(60, 1), frameOf(9 * dataRoom), frameOf(61, 2)]);
    expect(wire.tx.send(burst)).toBe(3);
    expect(wire.take().map(({ frame }) => frame)).toEqual([frameOf(60, 1), frameOf(61, 2)]);
    expect(wire.tx.stats.get('dropped_no_room_packets')).toBe(1);
  },
);
