import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VIRTIO_NET_F_MRG_RXBUF } from '../feature-bits.ts';
import { PacketBurst } from '../packet-burst.ts';
import {
  type Wire,
  type WireOptions,
  frameOf,
  missing,
  modern,
  receive,
  rings,
  supplied as suppliedWire,
} from '../test-support/wire.ts';

/** A wire whose packets may be spread over buffers, with its receive queue supplied. */
function supplied(options: WireOptions = {}): Wire {
  return suppliedWire({ ...options, features: (options.features ?? modern) | VIRTIO_NET_F_MRG_RXBUF });
}

/** One buffer of a packet: a header that says how many there are, and data. */
const firstBuffer = (wire: Wire, numBuffers: number, data: Uint8Array): Uint8Array =>
  Buffer.concat([wire.header(numBuffers), data]);

describe.each(rings)('a mergeable receive queue on a $ring ring', ({ features }) => {
  it('puts a frame together from the buffers it is spread over', () => {
    const wire = supplied({ features });
    wire.deliver(frameOf(1000));
    expect(receive(wire)).toEqual([frameOf(1000)]);
  });

  it('describes such a packet: length of it all, number of buffers, chained from the first', () => {
    const wire = supplied({ features });
    wire.deliver(frameOf(1000));
    const burst = new PacketBurst(32);
    wire.rx.receive(burst);
    const head = burst.buffer[0];
    expect([burst.length[0], burst.segments[0], burst.offset[0]]).toEqual([
      1000,
      4,
      wire.pool.dataOffset[head],
    ]);
  });

  it('receives the largest frame, 9728 bytes, over 39 buffers', () => {
    const wire = supplied({ features, size: 64, buffers: 128 });
    wire.deliver(frameOf(9728));
    expect(receive(wire, 64)).toEqual([frameOf(9728)]);
  });

  it('receives it in one buffer as well where buffers are as long', () => {
    const wire = supplied({ features, dataRoom: 9728 });
    wire.deliver(frameOf(9728));
    expect(receive(wire)).toEqual([frameOf(9728)]);
  });

  it('keeps short and long frames in order', () => {
    const wire = supplied({ features });
    const sent = [60, 600, 61, 300].map((bytes, i) => frameOf(bytes, i));
    for (const frame of sent) wire.deliver(frame);
    expect(receive(wire)).toEqual(sent);
  });

  it('continues with the next burst a packet that one burst has not completed', () => {
    const wire = supplied({ features });
    wire.deliver(frameOf(1000));
    const bursts = [receive(wire, 2), receive(wire, 2)];
    expect(bursts).toEqual([[], [frameOf(1000)]]);
  });

  it('gives all buffers back for many rounds of the ring', () => {
    const wire = supplied({ features });
    for (let round = 0; round < 30; round++) {
      wire.deliver(frameOf(700, round));
      expect(receive(wire)).toEqual([frameOf(700, round)]);
    }
    expect(missing(wire)).toBe(0);
  });

  it('takes back a packet that was cut short by the stop of the device', () => {
    const wire = supplied({ features });
    wire.use(firstBuffer(wire, 3, frameOf(256)));
    receive(wire);
    wire.rx.reclaim();
    expect(wire.pool.free).toBe(wire.pool.count);
  });
});

describe('num_buffers', () => {
  it('of 0 is taken for 1, as DPDK does', () => {
    const wire = supplied();
    wire.use(firstBuffer(wire, 0, frameOf(60)));
    expect(receive(wire)).toEqual([frameOf(60)]);
  });

  it('over the number of descriptors breaks the queue: nobody knows where the next packet begins', () => {
    const wire = supplied();
    wire.use(firstBuffer(wire, 9, frameOf(60)));
    wire.deliver(frameOf(61));
    const frames = receive(wire);
    expect([frames, wire.broken.map(({ fault }) => fault.code), missing(wire)]).toEqual([
      [],
      ['HEADER_INVALID'],
      0,
    ]);
  });

  it('over the number of descriptors leaves the packets before it to the caller', () => {
    const wire = supplied();
    wire.deliver(frameOf(60));
    wire.use(firstBuffer(wire, 0xffff, frameOf(60)));
    expect(receive(wire)).toEqual([frameOf(60)]);
  });

  it('that is a lie never costs a buffer, nor throws', () => {
    const used = fc.record({
      numBuffers: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 0xffff })),
      written: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer()),
    });
    fc.assert(
      fc.property(fc.array(used, { maxLength: 30 }), fc.integer({ min: 1, max: 8 }), (script, capacity) => {
        const wire = supplied();
        for (const { numBuffers, written } of script) {
          if (wire.receiveq.pending() > 0) wire.use(wire.header(numBuffers), written | 0);
          for (const frame of receive(wire, capacity)) expect(frame.length).toBeLessThanOrEqual(9 * 268);
        }
        wire.rx.reclaim();
        expect(wire.pool.free).toBe(wire.pool.count);
      }),
    );
  });
});

describe('a first buffer', () => {
  it('longer than it can be costs its packet with all that follows, not the next', () => {
    const wire = supplied();
    wire.use(firstBuffer(wire, 2, frameOf(200)), 269);
    wire.use(frameOf(100));
    wire.deliver(frameOf(60));
    expect([receive(wire), wire.rx.stats.get('errors'), missing(wire)]).toEqual([[frameOf(60)], 1, 0]);
  });

  it('too short for its header costs itself only: what it says of others is not believed', () => {
    const wire = supplied();
    wire.use(wire.header(2), 11);
    wire.deliver(frameOf(60));
    expect([receive(wire), wire.rx.stats.get('errors'), missing(wire)]).toEqual([[frameOf(60)], 1, 0]);
  });
});

describe.each(rings)('a packet over several buffers of a $ring ring', ({ features }) => {
  it.each([2, 3, 5])(
    'without a byte of data in %d of them is dropped as one of a wrong length',
    (buffers) => {
      const wire = supplied({ features });
      wire.use(wire.header(buffers));
      for (let i = 1; i < buffers; i++) wire.use(new Uint8Array(0));
      wire.deliver(frameOf(60));
      const { stats } = wire.rx;
      expect([receive(wire), stats.get('errors'), stats.get('good_packets'), missing(wire)]).toEqual([
        [frameOf(60)],
        1,
        1,
        0,
      ]);
    },
  );

  it('with all of its data behind the first is received', () => {
    const wire = supplied({ features });
    wire.use(wire.header(2));
    wire.use(frameOf(60));
    expect(receive(wire)).toEqual([frameOf(60)]);
  });
});

describe('a following buffer', () => {
  it('longer than it can be costs its packet, not the next', () => {
    const wire = supplied();
    wire.use(firstBuffer(wire, 2, frameOf(256)));
    wire.use(frameOf(10), 269);
    wire.deliver(frameOf(60));
    expect([receive(wire), wire.rx.stats.get('errors'), missing(wire)]).toEqual([[frameOf(60)], 1, 0]);
  });

  it('is counted with its packet, once', () => {
    const wire = supplied();
    wire.deliver(frameOf(1000));
    receive(wire);
    const { stats } = wire.rx;
    expect([stats.get('good_packets'), stats.get('good_bytes'), stats.get('size_512_1023_packets')]).toEqual([
      1, 1000, 1,
    ]);
  });
});
