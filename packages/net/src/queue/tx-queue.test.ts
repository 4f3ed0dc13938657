import { VIRTIO_F_ANY_LAYOUT, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { VIRTIO_NET_F_HASH_REPORT } from '../feature-bits.ts';
import { PacketBurst } from '../packet-burst.ts';
import { Wire, frameOf, modern, rings } from '../test-support/wire.ts';
import { writeFrames } from '../testing/frames.ts';

/** Sends frames as one burst; what the queue does not take is given back. @returns how many it took */
function send(wire: Wire, ...frames: Uint8Array[]): number {
  const burst = new PacketBurst(32);
  writeFrames(wire.pool, burst, frames);
  const taken = wire.tx.send(burst);
  burst.release(taken);
  return taken;
}

const takenFrames = (wire: Wire): Uint8Array[] => wire.take().map(({ frame }) => frame);
const numbered = (count: number, bytes = 60): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => frameOf(bytes, i));

describe.each(rings)('a transmit queue on a $ring ring', ({ features }) => {
  it('brings frames of every length a buffer holds to the device, in order', () => {
    const wire = Wire.one({ features });
    const frames = [1, 59, 60, 61, 64, 128, 255, 256].map((bytes, i) => frameOf(bytes, i));
    expect([send(wire, ...frames), takenFrames(wire)]).toEqual([8, frames]);
  });

  it('puts a header of zeroes in front, whatever was there before', () => {
    const wire = Wire.one({ features });
    wire.region.u8.fill(0xee, wire.pool.dataBase - 64);
    send(wire, frameOf(60), frameOf(600));
    expect(wire.take().map(({ header }) => [...header])).toEqual([Array(12).fill(0), Array(12).fill(0)]);
  });

  it('sends a frame of several buffers as one packet', () => {
    const wire = Wire.one({ features });
    expect([send(wire, frameOf(1000)), takenFrames(wire)]).toEqual([1, [frameOf(1000)]]);
  });

  it('keeps packets of one and of several buffers in order', () => {
    const wire = Wire.one({ features, size: 16 });
    const frames = [60, 600, 61, 62, 300, 63].map((bytes, i) => frameOf(bytes, i));
    expect([send(wire, ...frames), takenFrames(wire)]).toEqual([6, frames]);
  });

  it('sends the rest of a burst from where the caller says', () => {
    const wire = Wire.one({ features });
    const burst = new PacketBurst(32);
    writeFrames(wire.pool, burst, numbered(5));
    expect([wire.tx.send(burst, 2), takenFrames(wire)]).toEqual([3, numbered(5).slice(2)]);
  });

  it('takes as many as the ring has room for; the rest stays with the caller', () => {
    const wire = Wire.one({ features });
    expect([send(wire, ...numbered(11)), takenFrames(wire)]).toEqual([8, numbered(8)]);
  });

  it('takes no part of a packet that has no room as a whole', () => {
    const wire = Wire.one({ features: features & ~VIRTIO_F_INDIRECT_DESC });
    const taken = send(wire, ...numbered(6), frameOf(600));
    expect([taken, takenFrames(wire)]).toEqual([6, numbered(6)]);
  });

  it('drops a packet of more buffers than the ring has descriptors, counts it, and goes on', () => {
    for (const without of [0n, VIRTIO_F_INDIRECT_DESC]) {
      const wire = Wire.one({ features: features & ~without });
      const first = send(wire, frameOf(60, 1), frameOf(9 * 256), frameOf(61, 2));
      expect([first, takenFrames(wire)]).toEqual([3, [frameOf(60, 1), frameOf(61, 2)]]);
      wire.tx.reap();
      const longest = send(wire, frameOf(8 * 256));
      expect([longest, takenFrames(wire)]).toEqual([1, [frameOf(8 * 256)]]);
      wire.tx.reap();
      const { stats } = wire.tx;
      expect([stats.get('good_packets'), stats.get('dropped_no_room_packets'), wire.pool.free]).toEqual([
        3,
        1,
        wire.pool.count,
      ]);
    }
  });

  it('shows no tap a packet that it drops for its length', () => {
    const wire = Wire.one({ features });
    const seen: number[] = [];
    wire.tx.watch({ see: ({ length }, from, end) => seen.push(...length.subarray(from, end)) });
    expect(send(wire, frameOf(60), frameOf(9 * 256), frameOf(61))).toBe(3);
    expect([seen, wire.tx.stats.get('dropped_no_room_packets')]).toEqual([[60, 61], 1]);
  });

  it('counts what it took, and not what it left', () => {
    const wire = Wire.one({ features });
    send(wire, ...numbered(11, 100));
    const { stats } = wire.tx;
    expect([stats.get('good_packets'), stats.get('good_bytes'), stats.get('size_65_127_packets')]).toEqual([
      8, 800, 8,
    ]);
  });

  it('gives buffers back to the pool once the device is done, and not before', () => {
    const wire = Wire.one({ features });
    send(wire, ...numbered(3), frameOf(600));
    wire.tx.reap();
    const held = wire.pool.count - wire.pool.free;
    wire.take();
    wire.tx.reap();
    expect([held, wire.pool.free]).toEqual([6, wire.pool.count]);
  });

  it('takes nothing while it is held, and gives back what the device has read', () => {
    const wire = Wire.one({ features });
    send(wire, ...numbered(3));
    wire.tx.hold();
    const refused = send(wire, ...numbered(2));
    wire.take();
    wire.tx.reap();
    const { outstanding } = wire.tx.queue;
    wire.tx.release();
    expect([refused, outstanding, send(wire, ...numbered(2))]).toEqual([0, 0, 2]);
  });

  it('collects what is done when a full ring is sent to', () => {
    const wire = Wire.one({ features });
    send(wire, ...numbered(8));
    wire.take(3);
    expect(send(wire, ...numbered(5))).toBe(3);
  });

  it('collects what is done when the pool runs short', () => {
    const wire = Wire.one({ features, buffers: 8 });
    send(wire, ...numbered(8));
    wire.take(3);
    const out = new Int32Array(8);
    expect(wire.pool.alloc(out, 0, 8)).toBe(3);
  });

  it('goes on for many rounds of the ring with packets of all kinds', () => {
    const wire = Wire.one({ features });
    for (let round = 0; round < 60; round++) {
      const frames = [60, 300, 61].map((bytes, i) => frameOf(bytes, round + i));
      expect([send(wire, ...frames), takenFrames(wire)]).toEqual([3, frames]);
    }
    wire.tx.reap();
    expect(wire.pool.free).toBe(wire.pool.count);
  });

  it('kicks once for a burst when the device sleeps, and not when it is awake', () => {
    const wire = Wire.one({ features });
    wire.transmitq.armKick();
    send(wire, ...numbered(4));
    wire.transmitq.disarmKick();
    const asleep = wire.tx.kicks;
    send(wire, ...numbered(4));
    expect([asleep, wire.tx.kicks]).toEqual([1, 1]);
  });

  it('does nothing with an empty burst', () => {
    const wire = Wire.one({ features });
    wire.transmitq.armKick();
    expect([wire.tx.send(new PacketBurst(4)), wire.tx.kicks]).toEqual([0, 0]);
  });

  it('takes all packets back after the device was stopped', () => {
    const wire = Wire.one({ features });
    send(wire, ...numbered(3), frameOf(600));
    wire.tx.reclaim();
    expect(wire.pool.free).toBe(wire.pool.count);
  });

  it('takes nothing any more once the device wrote nonsense, and says so once', () => {
    const wire = Wire.one({ features });
    send(wire, ...numbered(4));
    wire.corrupt(wire.tx.queue);
    wire.tx.reap();
    const taken = [send(wire, frameOf(60)), send(wire, frameOf(600))];
    expect([taken, wire.broken.map(({ direction }) => direction)]).toEqual([[0, 0], ['tx']]);
  });

  it('counts nothing that a broken ring did not take', () => {
    const wire = Wire.one({ features });
    send(wire, ...numbered(4));
    wire.corrupt(wire.tx.queue);
    wire.tx.reap();
    send(wire, ...numbered(2));
    expect(wire.tx.stats.get('good_packets')).toBe(4);
  });

  it('leaves the receive queue beside it alive when it breaks', () => {
    const wire = Wire.one({ features });
    send(wire, ...numbered(4));
    wire.corrupt(wire.tx.queue);
    wire.tx.reap();
    wire.rx.fill();
    wire.deliver(frameOf(60));
    expect(wire.rx.receive(new PacketBurst(4))).toBe(1);
  });
});

describe('a packet of several buffers', () => {
  it('takes one slot of the ring with INDIRECT_DESC', () => {
    const wire = Wire.one({ features: modern | VIRTIO_F_INDIRECT_DESC });
    send(wire, frameOf(1000));
    expect(wire.tx.queue.free).toBe(7);
  });

  it('takes a slot for each buffer without', () => {
    const wire = Wire.one({ features: modern });
    send(wire, frameOf(1000));
    expect(wire.tx.queue.free).toBe(4);
  });
});

describe('the header', () => {
  it.each([
    ['10 bytes in a descriptor of their own on a legacy device', 0n, 10, 2],
    ['10 bytes in front of the data with ANY_LAYOUT', VIRTIO_F_ANY_LAYOUT, 10, 1],
    ['12 bytes in front of the data with VERSION_1', VIRTIO_F_VERSION_1, 12, 1],
    ['20 bytes with HASH_REPORT', VIRTIO_F_VERSION_1 | VIRTIO_NET_F_HASH_REPORT, 20, 1],
  ])('is %s', (_, features, bytes, segments) => {
    const wire = Wire.one({ features });
    wire.region.u8.fill(0xee, wire.pool.dataBase - 64);
    send(wire, frameOf(60, 3));
    expect(wire.take()).toEqual([{ header: new Uint8Array(bytes), frame: frameOf(60, 3), segments }]);
  });

  it('of a legacy device comes back with its packet, many times', () => {
    const wire = Wire.one({ features: 0n });
    for (let round = 0; round < 20; round++) {
      expect([send(wire, ...numbered(4)), takenFrames(wire)]).toEqual([4, numbered(4)]);
    }
    wire.tx.reap();
    expect(wire.pool.free).toBe(wire.pool.count);
  });
});

describe.each([
  ['kernels', undefined],
  ['TypeScript', false],
])('the simple path, by %s', (_, native) => {
  const simple = () =>
    Wire.one({ features: modern, txqFlags: 0xf01, ...(native === undefined ? {} : { native }) });

  it('sends packets of one buffer, around the ring', () => {
    const wire = simple();
    expect(wire.paths.tx.path).toBe('split simple Tx');
    for (let round = 0; round < 5; round++) {
      expect([send(wire, ...numbered(11)), takenFrames(wire)]).toEqual([8, numbered(8)]);
    }
    wire.tx.reap();
    expect([wire.tx.stats.get('good_packets'), wire.pool.free]).toEqual([40, wire.pool.count]);
  });

  it('drops and counts a packet of several buffers, and goes on', () => {
    const wire = simple();
    expect(send(wire, frameOf(60, 1), frameOf(600), frameOf(61, 2))).toBe(3);
    expect(takenFrames(wire)).toEqual([frameOf(60, 1), frameOf(61, 2)]);
    wire.tx.reap();
    const { stats } = wire.tx;
    expect([stats.get('dropped_no_room_packets'), wire.pool.free]).toEqual([1, wire.pool.count]);
  });

  it('clears the headers of buffers that had others', () => {
    const wire = simple();
    const { pool } = wire;
    for (let b = 0; b < pool.count; b++) {
      const at = pool.dataBase + b * pool.stride;
      pool.region.u8.fill(0xff, at - 12, at);
    }
    send(wire, frameOf(60));
    expect(wire.take().map(({ header }) => [...header])).toEqual([Array.from({ length: 12 }, () => 0)]);
  });
});

describe.each(rings)('a header in front of what is forwarded on a $ring ring', ({ features }) => {
  describe.each([
    ['kernels', undefined],
    ['TypeScript', false],
  ])('by %s', (_, native) => {
    const forwarded = (numBuffers: number): number[] => {
      const wire = Wire.one({ features, ...(native === undefined ? {} : { native }) });
      const burst = new PacketBurst(32);
      writeFrames(wire.pool, burst, [frameOf(60)]);
      wire.region.u8.fill(0, burst.offset[0] - 12, burst.offset[0]);
      wire.region.u8[burst.offset[0] - 2] = numBuffers;
      wire.tx.send(burst);
      return [...wire.take()[0].header];
    };

    it('stays as it is where it says one buffer, so that its cache line does', () => {
      expect(forwarded(1)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    });

    it('is cleared where it says several', () => {
      expect(forwarded(2)).toEqual(Array(12).fill(0));
    });
  });
});
