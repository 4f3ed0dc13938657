import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { VIRTIO_NET_F_HASH_REPORT, VIRTIO_NET_F_MRG_RXBUF } from '../feature-bits.ts';
import { PacketBurst } from '../packet-burst.ts';
import { Wire, frameOf, missing, receive, rings, supplied } from '../test-support/wire.ts';

const both = rings.flatMap(({ ring, features }) => [
  { kind: `${ring} plain`, features },
  { kind: `${ring} mergeable`, features: features | VIRTIO_NET_F_MRG_RXBUF },
]);

describe.each(both)('a $kind receive queue', ({ features }) => {
  it('supplies the device with as many buffers as the ring has descriptors', () => {
    const wire = supplied({ features });
    for (let i = 0; i < 8; i++) wire.deliver(frameOf(60));
    expect([wire.receiveq.pending(), wire.pool.free]).toEqual([0, 56]);
  });

  it('receives frames of every length a buffer holds, in order', () => {
    const wire = supplied({ features });
    const sent = [1, 59, 60, 61, 64, 128, 255, 256].map((bytes, i) => frameOf(bytes, i));
    for (const frame of sent) wire.deliver(frame);
    expect(receive(wire)).toEqual(sent);
  });

  it('says in the burst how many packets there are and whose pool they live in', () => {
    const wire = supplied({ features });
    wire.deliver(frameOf(60));
    const burst = new PacketBurst(32);
    const returned = wire.rx.receive(burst);
    expect([returned, burst.count, burst.pool]).toEqual([1, 1, wire.pool]);
  });

  it('receives nothing when there is nothing', () => {
    const wire = supplied({ features });
    const burst = new PacketBurst(32);
    burst.count = 7;
    expect([wire.rx.receive(burst), burst.count]).toEqual([0, 0]);
  });

  it('leaves for the next call what a burst has no room for', () => {
    const wire = supplied({ features });
    const sent = Array.from({ length: 7 }, (_, i) => frameOf(60, i));
    for (const frame of sent) wire.deliver(frame);
    expect([receive(wire, 4), receive(wire, 4)]).toEqual([sent.slice(0, 4), sent.slice(4)]);
  });

  it('goes on for many rounds of the ring', () => {
    const wire = supplied({ features });
    for (let round = 0; round < 50; round++) {
      const sent = Array.from({ length: 5 }, (_, i) => frameOf(64, round * 5 + i));
      for (const frame of sent) wire.deliver(frame);
      expect(receive(wire)).toEqual(sent);
    }
    expect(missing(wire)).toBe(0);
  });

  it('gives the buffers that came back to the device with the next call, and at once when it took more than half', () => {
    const wire = supplied({ features });
    const posted: number[] = [];
    for (const count of [3, 0, 5]) {
      for (let i = 0; i < count; i++) wire.deliver(frameOf(60));
      receive(wire);
      posted.push(wire.rx.queue.outstanding);
    }
    expect(posted).toEqual([5, 8, 8]);
  });

  it('comes to life again when its consumer gives back the buffers it kept', () => {
    const wire = supplied({ features, buffers: 12 });
    const bursts = Array.from({ length: 3 }, () => new PacketBurst(4));
    for (const burst of bursts) {
      for (let i = 0; i < 4; i++) wire.deliver(frameOf(60, i));
      wire.rx.receive(burst);
    }
    expect(wire.receiveq.pending()).toBe(0);
    for (const burst of bursts) burst.release();
    wire.rx.fill();
    wire.deliver(frameOf(60, 9));
    expect(receive(wire)).toEqual([frameOf(60, 9)]);
  });

  it('counts what it received', () => {
    const wire = supplied({ features });
    for (const bytes of [60, 64, 200]) wire.deliver(frameOf(bytes).fill(0xff, 0, 6));
    receive(wire);
    const { stats } = wire.rx;
    expect(
      (['good_packets', 'good_bytes', 'broadcast_packets', 'size_128_255_packets', 'errors'] as const).map(
        (name) => stats.get(name),
      ),
    ).toEqual([3, 324, 3, 1, 0]);
  });

  it.each([
    ['has not even a header', 11],
    ['has a header and nothing else', 12],
    ['is longer than the buffer', 256 + 13],
    ['has a length with the highest bit set', 0x8000_0000 | 0],
  ])('drops and counts a packet that %s', (_, written) => {
    const wire = supplied({ features });
    wire.use(wire.header(), written);
    wire.deliver(frameOf(60));
    expect([receive(wire), wire.rx.stats.get('errors'), missing(wire)]).toEqual([[frameOf(60)], 1, 0]);
  });

  it('stops, says so once and loses no buffer when the device writes nonsense', () => {
    const wire = supplied({ features });
    wire.corrupt(wire.rx.queue);
    const received = [receive(wire), receive(wire)];
    expect([received, wire.broken.length, missing(wire)]).toEqual([[[], []], 1, 0]);
  });

  it('tells the fault, by its name, of itself', () => {
    const wire = supplied({ features });
    wire.corrupt(wire.rx.queue);
    receive(wire);
    expect(wire.broken).toEqual([{ direction: 'rx', fault: wire.rx.broken }]);
    expect(wire.rx.broken?.code).toMatch(/^USED_/);
  });

  it('leaves the transmit queue beside it alive when it breaks', () => {
    const wire = supplied({ features });
    wire.corrupt(wire.rx.queue);
    receive(wire);
    const burst = new PacketBurst(1);
    burst.allocate(wire.pool, 1, 60);
    expect([wire.tx.send(burst), wire.take().length]).toEqual([1, 1]);
  });

  it('takes every buffer back after the device was stopped', () => {
    const wire = supplied({ features });
    wire.deliver(frameOf(60));
    wire.rx.reclaim();
    expect(wire.pool.free).toBe(wire.pool.count);
  });

  it('kicks when the device sleeps, and only then', () => {
    const wire = Wire.one({ features });
    wire.receiveq.disarmKick();
    wire.rx.fill();
    const silent = wire.rx.kicks;
    for (let i = 0; i < 8; i++) wire.deliver(frameOf(60));
    wire.receiveq.armKick();
    receive(wire);
    expect([silent, wire.rx.kicks]).toEqual([0, 1]);
  });

  it('says when it arms the interrupt that packets are waiting already', () => {
    const wire = supplied({ features });
    const before = wire.rx.armInterrupt();
    wire.rx.disarmInterrupt();
    wire.deliver(frameOf(60));
    expect([before, wire.rx.armInterrupt()]).toEqual([false, true]);
  });

  it('is interrupted while it is armed, and only then', () => {
    const wire = supplied({ features });
    wire.rx.disarmInterrupt();
    wire.deliver(frameOf(60));
    const silent = wire.receiveq.callNeeded();
    receive(wire);
    wire.rx.armInterrupt();
    wire.deliver(frameOf(60));
    expect([silent, wire.receiveq.callNeeded()]).toEqual([false, true]);
  });
});

describe.each(both.filter(({ kind }) => kind.startsWith('split')))(
  'a $kind receive queue',
  ({ features }) => {
    it('leaves its descriptors as they are, and with the device, while buffers come back in order', () => {
      const wire = supplied({ features, buffers: 20 });
      const { descriptors } = wire.rx.queue.addresses;
      const table = (): Uint8Array => wire.region.u8.slice(descriptors, descriptors + 8 * 16);
      const before = table();
      for (let round = 0; round < 20; round++) {
        for (let i = 0; i < 1 + (round % 4); i++) wire.deliver(frameOf(60));
        receive(wire);
      }
      expect(table()).toEqual(before);
    });
  },
);

describe('a receive queue with headers', () => {
  it.each([
    [10, 0n],
    [12, VIRTIO_F_VERSION_1],
    [20, VIRTIO_F_VERSION_1 | VIRTIO_NET_F_HASH_REPORT],
    [20, VIRTIO_F_VERSION_1 | VIRTIO_NET_F_HASH_REPORT | VIRTIO_NET_F_MRG_RXBUF],
  ])('of %i bytes gives the frame behind them', (bytes, features) => {
    const wire = supplied({ features });
    expect(wire.headerBytes).toBe(bytes);
    wire.deliver(frameOf(60, 5));
    expect(receive(wire)).toEqual([frameOf(60, 5)]);
  });
});
