import { describe, expect, it } from 'vitest';
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_MRG_RXBUF,
} from '../feature-bits.ts';
import { HDR_F_NEEDS_CSUM, HDR_GSO_TCPV4 } from '../offload/packet-offloads.ts';
import { type WiredPort, wiredPort } from '../test-support/wired-port.ts';
import { frameOf, modern, rings } from '../test-support/wire.ts';
import { readFrames } from '../testing/frames.ts';
import { sendFrames, taggedFrame } from '../test-support/tagged-frames.ts';
import { VLAN_PRESENT } from './vlan.ts';

/** The frame without the four bytes of its first tag. */
const untagged = (frame: Uint8Array): Uint8Array =>
  Uint8Array.from([...frame.subarray(0, 12), ...frame.subarray(16)]);

/** What a port makes of these frames. */
function received(port: WiredPort, ...frames: Uint8Array[]): { frames: Uint8Array[]; tags: number[] } {
  for (const frame of frames) port.deliver(frame);
  const burst = port.burst();
  port.rx[0].receive(burst);
  return { frames: readFrames(burst), tags: Array.from(burst.vlan?.subarray(0, burst.count) ?? []) };
}

describe.each(rings)('a port on $ring rings that strips tags', ({ features }) => {
  const options = { features, rules: { vlanStrip: true } };

  it('gives the tag apart from the frame', () => {
    using port = wiredPort(options);
    const frame = taggedFrame(64, 1);
    expect(received(port, frame)).toEqual({ frames: [untagged(frame)], tags: [VLAN_PRESENT | 0x2001] });
  });

  it('leaves frames without a tag as they are', () => {
    using port = wiredPort(options);
    expect(received(port, frameOf(64))).toEqual({ frames: [frameOf(64)], tags: [0] });
  });

  it('leaves QinQ as it is', () => {
    using port = wiredPort(options);
    const frame = taggedFrame(64, 2, 0x88a8);
    expect(received(port, frame)).toEqual({ frames: [frame], tags: [0] });
  });

  it('takes one tag of two off', () => {
    using port = wiredPort(options);
    const frame = taggedFrame(64, 2);
    expect(received(port, frame)).toEqual({ frames: [untagged(frame)], tags: [VLAN_PRESENT | 0x2001] });
  });

  it('leaves a frame that ends within its tag', () => {
    using port = wiredPort(options);
    const frame = taggedFrame(64, 1).slice(0, 17);
    expect(received(port, frame)).toEqual({ frames: [frame], tags: [0] });
  });
});

describe('a tagged frame over several buffers', () => {
  it('is stripped in its first', () => {
    using port = wiredPort({ rules: { vlanStrip: true } });
    const frame = taggedFrame(900, 1);
    expect(received(port, frame)).toEqual({ frames: [untagged(frame)], tags: [VLAN_PRESENT | 0x2001] });
  });

  it('is made by inserting into the first', () => {
    using port = wiredPort({ rules: { vlanInsert: true } });
    const frame = taggedFrame(900, 1);
    sendFrames(port, [untagged(frame)], (burst) => burst.vlan?.fill(VLAN_PRESENT | 0x2001));
    expect(port.wires[0].take().map((taken) => taken.frame)).toEqual([frame]);
  });
});

describe.each(rings)('a port on $ring rings that inserts tags', ({ features }) => {
  const options = { features, rules: { vlanInsert: true } };

  it('puts the tag of each packet into its frame, behind a header of zeroes', () => {
    using port = wiredPort(options);
    const frames = [taggedFrame(64, 1), frameOf(60)];
    sendFrames(port, [untagged(frames[0]), frames[1]], (burst) =>
      burst.vlan?.set([VLAN_PRESENT | 0x2001, 0]),
    );
    const taken = port.wires[0].take();
    expect(taken.map(({ frame }) => frame)).toEqual(frames);
    expect(taken.map(({ header }) => header.every((byte) => byte === 0))).toEqual([true, true]);
  });

  it('inserts it once into a frame that had to wait for room', () => {
    using port = wiredPort(options);
    const burst = port.burst();
    sendFrames(
      port,
      Array.from({ length: port.tx[0].queue.size }, () => frameOf(60)),
    );
    const frame = taggedFrame(64, 1);
    burst.allocate(port.pool, 1, 60);
    port.region.u8.set(untagged(frame), burst.offset[0]);
    burst.vlan?.fill(VLAN_PRESENT | 0x2001);
    const tries = [port.tx[0].send(burst)];
    port.wires[0].take();
    tries.push(port.tx[0].send(burst));
    expect([tries, port.wires[0].take().map((taken) => taken.frame)]).toEqual([[0, 1], [frame]]);
  });

  it('drops a packet that has no room in front, and counts it', () => {
    using port = wiredPort({ ...options, headroom: 12 });
    sendFrames(port, [frameOf(60), frameOf(61)], (burst) => burst.vlan?.set([VLAN_PRESENT | 1, 0]));
    expect(port.wires[0].take().map(({ frame }) => frame)).toEqual([frameOf(61)]);
    expect(port.stats()).toMatchObject({ tx_q0_dropped_headroom_packets: 1, tx_q0_good_packets: 1 });
  });
});

describe('the checksum of a frame', () => {
  it('is where the headers went when a tag is inserted', () => {
    using port = wiredPort({ features: modern | VIRTIO_NET_F_CSUM, rules: { vlanInsert: true } });
    sendFrames(port, [frameOf(60)], (burst) => {
      burst.vlan?.fill(VLAN_PRESENT | 7);
      burst.offloads?.flags.fill(HDR_F_NEEDS_CSUM, 0, 1);
      burst.offloads?.checksumStart.fill(34, 0, 1);
      burst.offloads?.checksumOffset.fill(16, 0, 1);
    });
    expect([...port.wires[0].take()[0].header.subarray(6, 10)]).toEqual([38, 0, 16, 0]);
  });

  it('is where the headers went when a tag is stripped', () => {
    using port = wiredPort({ features: modern | VIRTIO_NET_F_GUEST_CSUM, rules: { vlanStrip: true } });
    const header = Uint8Array.from([HDR_F_NEEDS_CSUM, 0, 0, 0, 0, 0, 38, 0, 16, 0, 1, 0]);
    port.wires[0].use(Uint8Array.from([...header, ...taggedFrame(64, 1)]));
    const burst = port.burst();
    port.rx[0].receive(burst);
    expect(burst.offloads?.checksumStart[0]).toBe(34);
  });
});

describe('offloads that point where a tag is', () => {
  const features = modern | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_MRG_RXBUF;

  /** What a port that strips makes of a tagged frame whose header says this: its length, tag, and entry. */
  function stripped(words: { start: number; headers?: number }): number[] {
    using port = wiredPort({ features, rules: { vlanStrip: true } });
    const header = new DataView(new ArrayBuffer(12));
    header.setUint8(0, HDR_F_NEEDS_CSUM);
    if (words.headers !== undefined) header.setUint8(1, HDR_GSO_TCPV4);
    [words.headers ?? 0, 40, words.start, 2, 1].forEach((word, i) => header.setUint16(2 + 2 * i, word, true));
    port.wires[0].use(Uint8Array.from([...new Uint8Array(header.buffer), ...taggedFrame(64, 1)]));
    const burst = port.burst();
    port.rx[0].receive(burst);
    const { offloads, vlan } = burst;
    return [
      burst.length[0],
      vlan?.[0] ?? -1,
      offloads?.checksumStart[0] ?? -1,
      offloads?.headerLength[0] ?? -1,
    ];
  }

  it.each([0, 1, 3, 4, 12, 15])('a frame that is summed from byte %d on keeps its tag', (start) => {
    expect(stripped({ start })).toEqual([64, 0, start, 0]);
  });

  it('a frame that is summed from the end of the tag on loses it', () => {
    expect(stripped({ start: 16 })).toEqual([60, VLAN_PRESENT | 0x2001, 12, 0]);
  });

  it.each([
    [0, 0],
    [1, 0],
    [3, 0],
    [4, 0],
    [5, 1],
    [58, 54],
    [65_535, 60],
  ])('headers of %d bytes become %d', (headers, expected) => {
    expect(stripped({ start: 38, headers })).toEqual([60, VLAN_PRESENT | 0x2001, 34, expected]);
  });

  /** What the header in front of a frame says that a port has put a tag into. */
  function inserted(start: number, headers: number): [sent: number, words: number[]] {
    using port = wiredPort({
      features: modern | VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4,
      rules: { vlanInsert: true },
    });
    sendFrames(port, [frameOf(60)], ({ vlan, offloads }) => {
      vlan?.fill(VLAN_PRESENT | 7);
      offloads?.flags.fill(HDR_F_NEEDS_CSUM, 0, 1);
      offloads?.gsoType.fill(HDR_GSO_TCPV4, 0, 1);
      offloads?.segmentSize.fill(40, 0, 1);
      offloads?.checksumStart.fill(start, 0, 1);
      offloads?.headerLength.fill(headers, 0, 1);
    });
    const taken = port.wires[0].take();
    const words = taken.flatMap(({ header }) => [header[6] | (header[7] << 8), header[2] | (header[3] << 8)]);
    return [port.stats().tx_q0_dropped_headroom_packets, words];
  }

  it.each([
    [0, 11, 15],
    [12, 65_531, 65_535],
    [34, 65_535, 65_535],
  ])(
    'a tag that is put in moves what is behind it, to no more than there can be: %d, %d',
    (start, headers, expected) => {
      expect(inserted(start, headers)).toEqual([0, [start < 12 ? start : start + 4, expected]]);
    },
  );

  it('a frame with a checksum too far behind is dropped', () => {
    expect(inserted(65_532, 54)).toEqual([1, []]);
  });
});

describe('a burst that was not made for tags', () => {
  it('is refused by a port that strips them', () => {
    using port = wiredPort({ rules: { vlanStrip: true } });
    using plain = wiredPort();
    port.deliver(frameOf(60));
    expect(() => port.rx[0].receive(plain.burst())).toThrow('NetPort.burst');
  });

  it('is sent as it is', () => {
    using port = wiredPort({ rules: { vlanInsert: true } });
    using plain = wiredPort();
    const burst = plain.burst();
    burst.allocate(port.pool, 1, 60);
    expect(port.tx[0].send(burst)).toBe(1);
  });
});
