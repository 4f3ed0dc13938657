// UDP that is left to its receiver: datagrams to be made of a packet (USO), or fragments of a datagram (UFO), from one driver to another.
import {
  HDR_F_NEEDS_CSUM,
  HDR_GSO_UDP,
  HDR_GSO_UDP_L4,
  PacketBurst,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_UFO,
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_GUEST_USO6,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_UFO,
  VIRTIO_NET_F_HOST_USO,
} from '@vio/net';
import { be16 } from '@vio/net/internal';
import { readFrames } from '@vio/net/testing';
import { isCompleteDatagram, transportOf, udpDatagram } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import {
  type Said,
  type Side,
  header,
  receive,
  tcp,
  transmit,
} from '../../test-support/offloading-drivers.ts';
import { packet } from '../../test-support/packets.ts';
import { cases } from '../../test-support/singles-setup.ts';

const payload = 5000;
const unit = 1000;

interface Kind {
  readonly name: string;
  readonly version: 4 | 6;
  readonly type: number;
  /** What its sender, and its receiver, have negotiated. */
  readonly host: bigint;
  readonly guest: bigint;
}

const uso = {
  type: HDR_GSO_UDP_L4,
  host: VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_USO,
  guest: VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6,
};
const kinds: readonly Kind[] = [
  { name: 'USO over IPv4', version: 4, ...uso },
  { name: 'USO over IPv6', version: 6, ...uso },
  {
    name: 'UFO',
    version: 4,
    type: HDR_GSO_UDP,
    host: VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_UFO,
    guest: VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_UFO,
  },
];

const saidOf = ({ version, type }: Kind): Said => ({
  flags: HDR_F_NEEDS_CSUM,
  type,
  headers: transportOf(version) + 8,
  size: unit,
  start: transportOf(version),
  offset: 6,
});

interface Receiver {
  readonly taken: bigint;
  readonly mergeable: boolean;
}

/** Sends a packet from one driver to another. @param told the burst between them says what headers say */
function forward(side: Side, kind: Kind, { taken, mergeable }: Receiver, told = true) {
  const from = transmit(side, {}, kind.host);
  const to = receive(side, taken, mergeable);
  to.supply(12, mergeable ? 2048 : 8192);
  const sent = udpDatagram(kind.version, payload);
  from.send(saidOf(kind), sent);
  const burst = new PacketBurst(8, { offloads: told });
  while (from.path.run(from.pool, burst, 8) > 0) {
    to.path.run(from.pool, burst, 0, burst.count);
    burst.release();
  }
  return {
    sent,
    received: to.received(),
    errors: [from.stats.get('errors'), to.stats.get('errors')],
    kept: from.pool.count - from.pool.free,
  };
}

/** The datagram of which fragments were made. */
function whole(fragments: readonly Uint8Array[]): Uint8Array {
  for (const [i, bytes] of fragments.entries()) {
    const more = i + 1 < fragments.length ? 0x2000 : 0;
    expect([be16(bytes, 16), be16(bytes, 20)]).toEqual([bytes.length - 14, more | ((i * unit) >> 3)]);
  }
  const [first] = fragments;
  const all = Uint8Array.of(
    ...first.subarray(0, 34),
    ...fragments.flatMap((bytes) => [...bytes.subarray(34)]),
  );
  const view = new DataView(all.buffer);
  view.setUint16(16, all.length - 14);
  view.setUint16(20, 0);
  // The header of the whole has a sum of its own.
  all.set(udpDatagram(4, payload).subarray(24, 26), 24);
  return all;
}

/** What frames are that a packet was made ready in: datagrams, or fragments of one. */
function madeOf(kind: Kind, frames: readonly Uint8Array[]) {
  const datagrams = kind.type === HDR_GSO_UDP ? [whole(frames)] : frames;
  return {
    frames: frames.length,
    complete: datagrams.every((bytes) => isCompleteDatagram(bytes, kind.version)),
    payload: Buffer.concat(datagrams.map((bytes) => bytes.subarray(transportOf(kind.version) + 8))),
  };
}

/** What they should be. */
function ready(kind: Kind, sent: Uint8Array): ReturnType<typeof madeOf> {
  return {
    // A datagram's header counts in its first fragment.
    frames: Math.ceil((kind.type === HDR_GSO_UDP ? payload + 8 : payload) / unit),
    complete: true,
    payload: Buffer.from(sent.subarray(transportOf(kind.version) + 8)),
  };
}

describe.each(cases)('$format, $where:', (side) => {
  describe.each(kinds)('$name', (kind) => {
    it.each([true, false])('goes whole to a driver that takes it, mergeable %s', (mergeable) => {
      const { sent, received, errors, kept } = forward(side, kind, { taken: kind.guest, mergeable });
      const [first, ...others] = received;
      const rest = others.flatMap((each) => [each.header, each.bytes]);
      const bytes = Buffer.concat([first.bytes, ...rest]);
      const told = header(saidOf(kind));
      told[10] = mergeable ? 3 : 1;
      expect([first.header, bytes]).toEqual([told, Buffer.from(sent)]);
      expect([errors, kept]).toEqual([[0, 0], 0]);
    });

    it.each([
      ['nothing of it', 0n],
      ['checksums alone', VIRTIO_NET_F_GUEST_CSUM],
    ])('is made ready for one that takes %s', (_, taken) => {
      for (const mergeable of [true, false]) {
        const { sent, received, errors, kept } = forward(side, kind, { taken, mergeable });
        expect(
          madeOf(
            kind,
            received.map(({ bytes }) => bytes),
          ),
        ).toEqual(ready(kind, sent));
        expect(received.map((each) => each.header.subarray(0, 10).some((byte) => byte !== 0))).toEqual(
          received.map(() => false),
        );
        expect([errors, kept]).toEqual([[0, 0], 0]);
      }
    });

    it('is made ready on the way where nobody is told what is left to do', () => {
      const receiver = { taken: kind.guest, mergeable: true };
      const { sent, received, errors, kept } = forward(side, kind, receiver, false);
      expect(
        madeOf(
          kind,
          received.map(({ bytes }) => bytes),
        ),
      ).toEqual(ready(kind, sent));
      expect([errors, kept]).toEqual([[0, 0], 0]);
    });

    it.each<[string, Partial<Said>]>([
      ['segments of no bytes', { size: 0 }],
      ['no checksum', { flags: 0x80 }],
      ['a checksum beyond it', { offset: 0xfff0 }],
      ['a checksum that begins beyond it', { start: 0xffff }],
      ['segments of TCP', { type: 1 }],
      ['both kinds of UDP at once', { type: HDR_GSO_UDP | HDR_GSO_UDP_L4 | 0x40 }],
    ])('is dropped and counted when its header says %s, and the next one arrives', (_, lie) => {
      const { path, pool, send, stats } = transmit(side, {}, kind.host);
      send({ ...saidOf(kind), ...lie }, udpDatagram(kind.version, 500));
      send({}, packet(60));
      const burst = new PacketBurst(8, { offloads: true });
      const received: Uint8Array[] = [];
      for (let i = 0; i < 2; i++) {
        path.run(pool, burst, 8);
        received.push(...readFrames(burst));
        burst.release();
      }
      expect([received, stats.get('errors'), pool.free]).toEqual([[packet(60)], 1, pool.count]);
    });

    it('that is TCP in truth is dropped and counted when it is to be made ready', () => {
      const from = transmit(side, {}, kind.host | VIRTIO_NET_F_HOST_TSO4);
      const to = receive(side, 0n);
      to.supply(8, 2048);
      from.send({ ...saidOf(kind), start: 34 }, tcp(payload));
      from.send({}, packet(60));
      const burst = new PacketBurst(8, { offloads: true });
      for (let i = 0; i < 2; i++) {
        from.path.run(from.pool, burst, 8);
        to.path.run(from.pool, burst, 0, burst.count);
        burst.release();
      }
      expect([to.received().map(({ bytes }) => bytes), to.stats.get('errors')]).toEqual([[packet(60)], 1]);
    });
  });

  // A driver says of each version of IP whether it takes it; frames are not looked at for that.
  it.each([
    [VIRTIO_NET_F_GUEST_USO4, 4],
    [VIRTIO_NET_F_GUEST_USO4, 6],
    [VIRTIO_NET_F_GUEST_USO6, 4],
    [VIRTIO_NET_F_GUEST_USO6, 6],
  ] as const)('USO is made ready for a driver that takes one version of IP: %i, IPv%i', (bit, version) => {
    const kind: Kind = { name: 'USO', version, ...uso };
    const taken = VIRTIO_NET_F_GUEST_CSUM | bit;
    const { sent, received, errors } = forward(side, kind, { taken, mergeable: true });
    expect(
      madeOf(
        kind,
        received.map(({ bytes }) => bytes),
      ),
    ).toEqual(ready(kind, sent));
    expect(errors).toEqual([0, 0]);
  });
});
