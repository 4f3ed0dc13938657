import { VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { VIRTIO_NET_F_MRG_RXBUF } from '../feature-bits.ts';
import { PacketBurst } from '../packet-burst.ts';
import { Wire, type WireOptions, frameOf, modern, rings } from '../test-support/wire.ts';
import { readFrames, writeFrames } from '../testing/frames.ts';

const lead = 0x1_0000;
const paths: readonly [string, WireOptions][] = [
  ...rings.map(({ ring, features }): [string, WireOptions] => [ring, { features }]),
  ...rings.map(({ ring, features }): [string, WireOptions] => [
    `${ring} mergeable`,
    { features: features | VIRTIO_NET_F_MRG_RXBUF },
  ]),
  ['split vectorized', { features: modern, vectorized: true }],
  ['packed vectorized', { features: modern | VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER, vectorized: true }],
];

/** A wire in the middle of memory that is somebody else's. */
function wireInside(options: WireOptions): Wire {
  const wire = Wire.one({
    ...options,
    lead,
    memory(bytes) {
      const memory = new Uint8Array(bytes).fill(0xa5);
      memory.fill(0, lead, bytes - lead);
      return memory.buffer;
    },
  });
  wire.rx.fill();
  return wire;
}

/** True when nothing outside the region of the wire has changed. */
function neighboursAreWhole({ region }: Wire): boolean {
  const all = new Uint8Array(region.arrayBuffer);
  const outside = [all.subarray(0, lead), all.subarray(all.length - lead)];
  return outside.every((bytes) => bytes.every((byte) => byte === 0xa5));
}

describe.each(paths)('%s queues in a region that begins within its memory', (_, options) => {
  it('receive and send what is in the region, and leave the rest alone', () => {
    const wire = wireInside(options);
    const frames = [60, 200, 256].map((bytes, i) => frameOf(bytes, i));
    const burst = new PacketBurst(8);
    const received: Uint8Array[] = [];
    const sent: Uint8Array[] = [];
    for (let round = 0; round < 8; round++) {
      for (const frame of frames) wire.deliver(frame);
      wire.rx.receive(burst);
      received.push(...readFrames(burst));
      burst.release();
      writeFrames(wire.pool, burst, frames);
      wire.tx.send(burst);
      sent.push(...wire.take().map(({ frame }) => frame));
    }
    const expected = Array.from({ length: 8 }, () => frames).flat();
    expect([received, sent, neighboursAreWhole(wire)]).toEqual([expected, expected, true]);
  });
});
