import { VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from '@vio/rings';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_MRG_RXBUF } from '../feature-bits.ts';
import { PacketBurst } from '../packet-burst.ts';
import { Wire, frameOf, rings } from '../test-support/wire.ts';
import { readFrames, writeFrames } from '../testing/frames.ts';
import { BurstKernel } from './burst-kernel.ts';

const kinds = rings.flatMap(({ ring, features }) => [
  { kind: ring, features },
  { kind: `${ring} mergeable`, features: features | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_F_EVENT_IDX },
]);

const dataRoom = 256;
/** Buffers are supplied by the test: a kernel leaves what is wrong to the next call, and would supply them earlier. */
const open = (features: bigint, native: boolean): Wire => {
  const wire = Wire.one({ features, native, dataRoom, freeThreshold: 9 });
  wire.pool.supply(wire.rx.queue, 8, 12);
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
    arbitrary: fc.record({ does: fc.constant('deliver'), bytes: fc.integer({ min: 1, max: 3 * dataRoom }) }),
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

/** The device delivers a frame, or as much of it as it has buffers for: over several with MRG_RXBUF, else one. */
function deliver(wire: Wire, frame: Uint8Array): void {
  const room = dataRoom + 12;
  const mergeable = (wire.features & VIRTIO_NET_F_MRG_RXBUF) !== 0n;
  const bytes = mergeable ? frame : frame.subarray(0, dataRoom);
  const buffers = Math.ceil((bytes.length + 12) / room);
  const all = Buffer.concat([wire.header(buffers), bytes]);
  for (let i = 0; i < buffers && wire.receiveq.pending() > 0; i++) {
    wire.use(all.subarray(i * room, (i + 1) * room));
  }
}

/** @returns all there is to see of a step */
function play(wire: Wire, now: Step, round: number): unknown {
  const { pool, rx, tx } = wire;
  const burst = new PacketBurst(now.does === 'receive' ? now.capacity : 40);
  switch (now.does) {
    case 'deliver':
      deliver(wire, frameOf(now.bytes, round));
      return undefined;
    case 'lie':
      if (wire.receiveq.pending() > 0) wire.use(frameOf(20, round), now.written);
      return undefined;
    case 'receive': {
      // Until there is nothing more: a kernel leaves what is wrong to the next call.
      const frames: Uint8Array[] = [];
      while (rx.receive(burst) > 0 || rx.receive(burst) > 0) {
        frames.push(...readFrames(burst));
        burst.release();
      }
      pool.supply(rx.queue, rx.queue.free, 12);
      return frames;
    }
    case 'send': {
      const buffers = now.lengths.reduce((sum, bytes) => sum + Math.ceil(bytes / dataRoom), 0);
      if (buffers > pool.free) return undefined;
      writeFrames(
        pool,
        burst,
        now.lengths.map((bytes, i) => frameOf(bytes, round + i)),
      );
      const taken = tx.send(burst);
      burst.release(taken);
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

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(kinds)('the kernels of a $kind ring', ({ features }) => {
  it.each([
    ['nothing else', {}],
    ['transmit offloads', { features: features | VIRTIO_NET_F_CSUM }],
    ['receive offloads', { features: features | VIRTIO_NET_F_GUEST_CSUM }],
    ['VLAN tags stripped', { rules: { vlanStrip: true } }],
    ['VLAN tags inserted', { rules: { vlanInsert: true } }],
    ['an MTU', { rules: { mtu: 1500 } }],
  ])('move packets by default, with %s', (_what, more) => {
    const twins = [vi.spyOn(BurstKernel.prototype, 'receive'), vi.spyOn(BurstKernel.prototype, 'send')];
    const wire = Wire.one({ features, native: true, dataRoom, ...more });
    wire.rx.fill();
    const burst = new PacketBurst(8, { offloads: true, vlan: true });
    wire.deliver(frameOf(60));
    const reaped = vi.spyOn(wire.rx.queue, 'reap');
    const added = [vi.spyOn(wire.tx.queue, 'add'), vi.spyOn(wire.tx.queue, 'addChains')];
    expect([wire.rx.receive(burst), wire.tx.send(burst)]).toEqual([1, 1]);
    expect(twins.map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
    expect([reaped, ...added].map(({ mock }) => mock.calls.length)).toEqual([0, 0, 0]);
  });

  it('do what their twins do, whatever device and application do', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const wires = [open(features, false), open(features, true)];
        for (const [round, now] of steps.entries()) {
          const [twin, kernel] = wires.map((wire) => ({
            seen: play(wire, now, round),
            buffers: wire.pool.free + wire.rx.queue.outstanding + wire.tx.queue.outstanding,
            broken: wire.broken,
            kicks: [wire.rx.kicks, wire.tx.kicks],
            counters: [wire.rx.stats.toRecord(''), wire.tx.stats.toRecord('')],
          }));
          expect(kernel).toEqual(twin);
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

  it.each([
    ['kernels', true],
    ['their twins', false],
  ])('count frames by size alone where groups are not asked for: %s', (_who, native) => {
    const wire = Wire.one({ features, native, dataRoom, groupCounters: false });
    wire.rx.fill();
    const burst = new PacketBurst(8);
    // Four of one size are counted at a time.
    const frames = Array.from({ length: 5 }, () => frameOf(64).fill(0xff, 0, 6));
    for (const frame of frames) wire.deliver(frame);
    wire.rx.receive(burst);
    wire.tx.send(burst);
    for (const { stats } of [wire.rx, wire.tx]) {
      const counters = Object.entries(stats.toRecord('')).filter(
        ([name, count]) => count > 0 && name !== 'kicks',
      );
      expect(Object.fromEntries(counters)).toEqual({ good_packets: 5, good_bytes: 320, size_64_packets: 5 });
    }
  });

  it('leave no offload of an earlier use in a header', () => {
    const wire = open(features, true);
    const burst = new PacketBurst(8);
    writeFrames(wire.pool, burst, [frameOf(60)]);
    wire.region.u8.fill(0xee, burst.offset[0] - 12, burst.offset[0]);
    wire.tx.send(burst);
    expect([...wire.take()[0].header]).toEqual(Array.from({ length: 12 }, () => 0));
  });

  it('send packets of one segment and of several in their order', () => {
    const wire = open(features, true);
    const burst = new PacketBurst(8);
    const frames = [frameOf(60), frameOf(600, 2), frameOf(61, 3)];
    writeFrames(wire.pool, burst, frames);
    wire.tx.send(burst);
    expect(wire.take().map(({ frame }) => frame)).toEqual(frames);
    wire.tx.reap();
    expect(wire.pool.free + wire.rx.queue.outstanding).toBe(wire.pool.count);
  });

  it('take the rings over from a device that went away', () => {
    const [before, after] = [open(features, true), open(features, true)];
    before.deliver(frameOf(60));
    before.rx.restart(after.rx.queue);
    expect(before.pool.free).toBe(before.pool.count);
  });
});

it.each(kinds)(
  'a kernel leaves a packet of more buffers than its $kind ring has to its twin, which drops it',
  ({ features }) => {
    const wire = open(features, true);
    const burst = new PacketBurst(3);
    writeFrames(wire.pool, burst, [frameOf(60, 1), frameOf(9 * dataRoom), frameOf(61, 2)]);
    expect(wire.tx.send(burst)).toBe(3);
    expect(wire.take().map(({ frame }) => frame)).toEqual([frameOf(60, 1), frameOf(61, 2)]);
    expect(wire.tx.stats.get('dropped_no_room_packets')).toBe(1);
  },
);

describe('a kernel', () => {
  const [{ features }] = kinds;

  it('goes on with more bursts than it can hold, and with those that came back', () => {
    const wire = open(features, true);
    const bursts = Array.from({ length: 20 }, () => new PacketBurst(4));
    for (let round = 0; round < 60; round++) {
      const burst = bursts[(round * 7) % 20];
      wire.deliver(frameOf(60 + round, round));
      wire.rx.receive(burst);
      expect(readFrames(burst)).toEqual([frameOf(60 + round, round)]);
      burst.release();
      wire.pool.supply(wire.rx.queue, wire.rx.queue.free, 12);
    }
  });

  it('keeps the arrays of a burst from going to another thread', () => {
    const wire = open(features, true);
    const burst = new PacketBurst(4);
    wire.deliver(frameOf(60));
    wire.rx.receive(burst);
    const { buffer } = burst.offset;
    if (!(buffer instanceof ArrayBuffer)) throw new TypeError('a burst in shared memory');
    // Node 20 copies what it may not transfer, later ones refuse.
    const transfer = (): unknown => structuredClone(buffer, { transfer: [buffer] });
    try {
      transfer();
    } catch {
      // Refused.
    }
    expect(burst.offset).toHaveLength(4);
  });

  it.each([
    ['no such buffer', { buffer: 1 << 20 }],
    ['a buffer below zero', { buffer: -1 }],
    ['an offset outside the region', { offset: 0x7fff_ff00 }],
    ['an offset below zero', { offset: -100 }],
    ['a length that does not fit', { length: 0x7fff_ffff }],
    ['segments that are not there', { segments: 3 }],
    ['no segments', { segments: 0 }],
  ])('leaves a packet that cannot be to its twin: %s', (_what, wrong) => {
    const [twin, kernel] = [false, true].map((native) => {
      const wire = Wire.one({ features: features | VIRTIO_F_INDIRECT_DESC, native, dataRoom });
      const burst = new PacketBurst(4);
      writeFrames(wire.pool, burst, [frameOf(60), frameOf(61)]);
      for (const [name, value] of Object.entries(wrong)) {
        burst[name === 'buffer' || name === 'offset' || name === 'length' ? name : 'segments'][1] = value;
      }
      const outside = Buffer.from(wire.region.u8);
      let sent: unknown;
      try {
        sent = wire.tx.send(burst);
      } catch (error) {
        sent = error instanceof Error ? error.name : 'thrown';
      }
      return { sent, outstanding: wire.tx.queue.outstanding, bytes: outside.length };
    });
    expect(kernel).toEqual(twin);
  });
});
