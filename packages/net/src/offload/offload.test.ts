import { VioError } from '@vio/native';
import { naiveChecksum } from '@vio/test-support';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_HOST_ECN,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_USO,
  VIRTIO_NET_F_MRG_RXBUF,
} from '../feature-bits.ts';
import { InternetChecksum } from './checksum.ts';
import { HeaderCodec } from './header-codec.ts';
import { checkOffloads, offloadFeatures } from './offload-features.ts';
import {
  HDR_F_DATA_VALID,
  HDR_F_NEEDS_CSUM,
  HDR_GSO_ECN,
  HDR_GSO_TCPV4,
  HDR_GSO_TCPV6,
  HDR_GSO_UDP,
  HDR_GSO_UDP_L4,
  PacketOffloads,
} from './packet-offloads.ts';

describe('InternetChecksum', () => {
  it('is the same however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 9 }), (pieces) => {
        const checksum = new InternetChecksum();
        for (const piece of pieces) checksum.add(piece, 0, piece.length);
        expect(checksum.value).toBe(naiveChecksum(Uint8Array.from(pieces.flatMap((piece) => [...piece]))));
      }),
    );
  });

  it('does not overflow on 64 KiB of ones', () => {
    const bytes = new Uint8Array(65_536).fill(0xff);
    const checksum = new InternetChecksum();
    checksum.add(bytes, 0, bytes.length);
    expect(checksum.value).toBe(naiveChecksum(bytes));
  });
});

interface Header {
  readonly flags?: number;
  readonly gso?: number;
  readonly headers?: number;
  readonly size?: number;
  readonly start?: number;
  readonly offset?: number;
}

/** What a driver with these features makes of a header in front of a packet of 100 bytes: undefined, or the entry. */
function received(features: bigint, header: Header): Header | undefined {
  const bytes = new ArrayBuffer(64);
  const view = new DataView(bytes);
  view.setUint8(16, header.flags ?? 0);
  view.setUint8(17, header.gso ?? 0);
  view.setUint16(18, header.headers ?? 0, true);
  view.setUint16(20, header.size ?? 0, true);
  view.setUint16(22, header.start ?? 0, true);
  view.setUint16(24, header.offset ?? 0, true);
  const offloads = new PacketOffloads(1);
  if (!HeaderCodec.received(features).read(new Uint16Array(bytes), 16, 100, offloads, 0)) return undefined;
  const { flags, gsoType, headerLength, segmentSize, checksumStart, checksumOffset } = offloads;
  return {
    flags: flags[0],
    gso: gsoType[0],
    headers: headerLength[0],
    size: segmentSize[0],
    start: checksumStart[0],
    offset: checksumOffset[0],
  };
}

describe('HeaderCodec.read', () => {
  const all = VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4;
  const checksum = { flags: HDR_F_NEEDS_CSUM, start: 34, offset: 16 };
  const cut = { ...checksum, gso: HDR_GSO_TCPV4, headers: 54, size: 20 };

  it.each<[string, bigint, Header, Header]>([
    ['nothing', 0n, {}, { flags: 0, gso: 0, headers: 0, size: 0, start: 0, offset: 0 }],
    ['a checksum to complete', all, checksum, { ...checksum, gso: 0, headers: 0, size: 0 }],
    ['a checksum that is right', all, { flags: HDR_F_DATA_VALID }, { flags: HDR_F_DATA_VALID }],
    ['a packet of segments', all, cut, cut],
    [
      'one with ECN',
      all | VIRTIO_NET_F_GUEST_ECN,
      { ...cut, gso: HDR_GSO_TCPV4 | HDR_GSO_ECN },
      { gso: HDR_GSO_TCPV4 | HDR_GSO_ECN },
    ],
    [
      'a packet of datagrams',
      all | VIRTIO_NET_F_GUEST_USO4,
      { ...cut, gso: HDR_GSO_UDP_L4 },
      { gso: HDR_GSO_UDP_L4, size: 20 },
    ],
    ['headers longer than the packet, a hint', all, { ...cut, headers: 60_000 }, { headers: 100 }],
    ['flags nobody knows', all, { flags: 0xf0 }, { flags: 0 }],
  ])('takes %s', (_what, features, header, expected) => {
    expect(received(features, header)).toMatchObject(expected);
  });

  it.each<[string, bigint, Header]>([
    ['a checksum nobody negotiated', 0n, checksum],
    ['a checksum that begins behind the packet', all, { ...checksum, start: 99 }],
    ['a checksum stored behind the packet', all, { ...checksum, offset: 65_535 }],
    ['segments of a kind nobody negotiated', all, { ...cut, gso: HDR_GSO_TCPV6 }],
    ['ECN that nobody negotiated', all, { ...cut, gso: HDR_GSO_TCPV4 | HDR_GSO_ECN }],
    ['datagrams that nobody negotiated', all, { ...cut, gso: HDR_GSO_UDP_L4 }],
    ['segments of an unknown kind', all, { ...cut, gso: HDR_GSO_UDP }],
    ['segments of no bytes', all, { ...cut, size: 0 }],
    ['segments without a checksum to complete', all, { ...cut, flags: 0 }],
  ])('refuses %s', (_what, features, header) => {
    expect(received(features, header)).toBe(undefined);
  });

  it('never takes more than the packet has, whatever the header says', () => {
    const word = fc.nat({ max: 0xffff });
    const header = fc.record({
      flags: fc.nat(255),
      gso: fc.nat(255),
      headers: word,
      size: word,
      start: word,
      offset: word,
    });
    fc.assert(
      fc.property(header, (garbage) => {
        const taken = received(all, garbage);
        const { start = 0, offset = 0, headers = 0, flags = 0 } = taken ?? {};
        expect(headers).toBeLessThanOrEqual(100);
        expect((flags & HDR_F_NEEDS_CSUM) === 0 || start + offset + 2 <= 100).toBe(true);
      }),
    );
  });
});

describe('HeaderCodec.write', () => {
  function sent(features: bigint, gso = HDR_GSO_TCPV4): number[] {
    const offloads = new PacketOffloads(1);
    offloads.flags[0] = HDR_F_NEEDS_CSUM | HDR_F_DATA_VALID;
    offloads.gsoType[0] = gso;
    offloads.headerLength[0] = 54;
    offloads.segmentSize[0] = 1460;
    offloads.checksumStart[0] = 34;
    offloads.checksumOffset[0] = 16;
    const u8 = new Uint8Array(16).fill(0xee);
    HeaderCodec.sent(features).write(u8, 1, 12, offloads, 0);
    expect([u8[0], u8[13]]).toEqual([0xee, 0xee]);
    return [...u8.subarray(1, 13)];
  }

  it('says what was negotiated', () => {
    expect(sent(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4)).toEqual([
      1, 1, 54, 0, 0xb4, 5, 34, 0, 16, 0, 0, 0,
    ]);
  });

  it.each([
    ['ECN', VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_ECN, HDR_GSO_TCPV4 | HDR_GSO_ECN],
    ['datagrams to be made', VIRTIO_NET_F_HOST_USO, HDR_GSO_UDP_L4],
  ])('says so of %s', (_what, features, gso) => {
    expect(sent(VIRTIO_NET_F_CSUM | features, gso)[1]).toBe(gso);
  });

  it('leaves ECN out when only segmentation was negotiated', () => {
    const features = VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4;
    expect(sent(features, HDR_GSO_TCPV4 | HDR_GSO_ECN)[1]).toBe(HDR_GSO_TCPV4);
  });

  it('leaves segmentation out when only checksums were negotiated', () => {
    expect(sent(VIRTIO_NET_F_CSUM)).toEqual([1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0]);
  });

  it('says nothing when nothing was negotiated', () => {
    expect(sent(0n)).toEqual(Array.from({ length: 12 }, () => 0));
  });
});

describe('offload options', () => {
  it('ask for what they include', () => {
    expect(offloadFeatures({ tso: true }) & VIRTIO_NET_F_CSUM).not.toBe(0n);
    expect(offloadFeatures({ lro: true }) & VIRTIO_NET_F_GUEST_CSUM).not.toBe(0n);
    expect(offloadFeatures({ uso: true }) & VIRTIO_NET_F_CSUM).not.toBe(0n);
    expect(offloadFeatures({ uro: true }) & VIRTIO_NET_F_GUEST_CSUM).not.toBe(0n);
    expect(offloadFeatures({})).toBe(0n);
  });

  function refusal(...args: Parameters<typeof checkOffloads>): unknown {
    try {
      return checkOffloads(...args);
    } catch (error) {
      return error instanceof VioError ? [error.code, error.message] : error;
    }
  }

  it('are refused by name when the backend has not all of them', () => {
    expect(refusal({ txChecksum: true, tso: true }, VIRTIO_NET_F_CSUM)).toEqual([
      'VIO_OFFLOAD_UNAVAILABLE',
      'the backend does not offer HOST_TSO4, HOST_TSO6',
    ]);
  });

  it('ask for ECN only with segments that may carry it', () => {
    expect(offloadFeatures({ ecn: true, rxChecksum: true })).toBe(VIRTIO_NET_F_GUEST_CSUM);
    const both = offloadFeatures({ ecn: true, lro: true, tso: true });
    expect(both & VIRTIO_NET_F_GUEST_ECN & ~VIRTIO_NET_F_HOST_ECN).not.toBe(0n);
    expect(both & VIRTIO_NET_F_HOST_ECN).not.toBe(0n);
  });

  it.each(['lro', 'uro'])('need mergeable buffers for %s', (what) => {
    const options = { [what]: true };
    const features = offloadFeatures(options);
    expect(refusal(options, features)).toMatchObject(['VIO_OFFLOAD_UNAVAILABLE', expect.anything()]);
    expect(refusal(options, features | VIRTIO_NET_F_MRG_RXBUF)).toBe(undefined);
  });
});
