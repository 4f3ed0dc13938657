import { describe, expect, it } from 'vitest';
import { VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM } from '../feature-bits.ts';
import { HDR_F_NEEDS_CSUM } from '../offload/packet-offloads.ts';
import { type WiredPort, wiredPort } from '../port/port.fixture.ts';
import { frameOf, framesIn, modern, rings } from '../wire.fixture.ts';
import { sendFrames, taggedFrame } from './frames.fixture.ts';
import { VLAN_PRESENT } from './vlan.ts';

/** The frame without the four bytes of its first tag. */
const untagged = (frame: Uint8Array): Uint8Array =>
  Uint8Array.from([...frame.subarray(0, 12), ...frame.subarray(16)]);

/** What a port makes of these frames. */
function received(port: WiredPort, ...frames: Uint8Array[]): { frames: Uint8Array[]; tags: number[] } {
  for (const frame of frames) port.deliver(frame);
  const burst = port.burst();
  port.rx[0].receive(burst);
  return { frames: framesIn(port.pool, burst), tags: Array.from(burst.vlan?.subarray(0, burst.count) ?? []) };
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
