import { BufferPool, Region } from '@vio/rings';
import { be16 } from '../big-endian.ts';
import fc from 'fast-check';
import { naiveChecksum, transportSum } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { PacketBurst } from '../packet-burst.ts';
import { readFrames, writeFrames } from '../testing/frames.ts';
import {
  HDR_F_NEEDS_CSUM,
  HDR_GSO_TCPV4,
  HDR_GSO_TCPV6,
  HDR_GSO_UDP,
  HDR_GSO_UDP_L4,
} from './packet-offloads.ts';
import { Segmenter } from './segmenter.ts';

const poolOf = (count: number, dataRoom: number): BufferPool =>
  new BufferPool({
    region: new Region(new ArrayBuffer(count * (dataRoom + 128))),
    offset: 0,
    count,
    dataRoom,
    headroom: 128,
  });
const pools = [poolOf(512, 2048), poolOf(4096, 128)];

interface Shape {
  readonly version: 4 | 6;
  readonly tcp: boolean;
  readonly tags: number;
  readonly payload: Uint8Array;
}

interface Frame extends Shape {
  readonly bytes: Uint8Array;
  readonly ip: number;
  readonly transport: number;
  readonly headers: number;
}

const sequence = 0xffff_ff00;
const identification = 0xfffe;

/** A TCP segment or a datagram that is too large for a wire, with everything in its headers but checksums. */
function frame({ version, tcp, tags, payload }: Shape): Frame {
  const ip = 14 + 4 * tags;
  const transport = ip + (version === 4 ? 20 : 40);
  const headers = transport + (tcp ? 32 : 8);
  const bytes = new Uint8Array(headers + payload.length).fill(0x11);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < tags; i++) view.setUint32(12 + 4 * i, 0x8100_0001);
  view.setUint16(ip - 2, version === 4 ? 0x0800 : 0x86dd);
  if (version === 4) {
    bytes[ip] = 0x45;
    view.setUint16(ip + 2, bytes.length - ip);
    view.setUint16(ip + 4, identification);
    view.setUint16(ip + 6, 0x4000);
    bytes[ip + 9] = tcp ? 6 : 17;
  } else {
    bytes[ip] = 0x60;
    view.setUint16(ip + 4, bytes.length - ip - 40);
    bytes[ip + 6] = tcp ? 6 : 17;
  }
  if (tcp) {
    view.setUint32(transport + 4, sequence);
    bytes[transport + 12] = 0x80;
    // CWR, ACK, PSH and FIN.
    bytes[transport + 13] = 0x99;
  } else view.setUint16(transport + 4, bytes.length - transport);
  bytes.set(payload, headers);
  return { version, tcp, tags, payload, bytes, ip, transport, headers };
}

/** The segments of a frame, made `step` at a time; undefined: it cannot be cut. */
function cut(
  bytes: Uint8Array,
  gso: number,
  size: number,
  pool = pools[0],
  step = 64,
): Uint8Array[] | undefined {
  const source = new PacketBurst(1, { offloads: true });
  writeFrames(pool, source, [bytes]);
  const { offloads } = source;
  if (offloads === undefined) throw new TypeError('it has some');
  offloads.flags[0] = HDR_F_NEEDS_CSUM;
  offloads.gsoType[0] = gso;
  offloads.segmentSize[0] = size;
  const before = readFrames(source)[0];
  const segmenter = new Segmenter();
  if (!segmenter.begin(pool, source, 0, offloads, 0)) {
    source.release();
    return undefined;
  }
  const made: Uint8Array[] = [];
  const out = new PacketBurst(step);
  out.pool = pool;
  while (segmenter.left > 0) {
    out.count = 0;
    segmenter.next(out, step);
    made.push(...readFrames(out));
    out.release();
  }
  expect(readFrames(source)[0]).toEqual(before);
  source.release();
  expect(pool.free).toBe(pool.count);
  return made;
}

/** 0 when the transport's checksum is right. */
const verify = (bytes: Uint8Array, { ip, transport, version, tcp }: Frame): number =>
  transportSum(bytes, { ip, start: transport, end: bytes.length, version, protocol: tcp ? 6 : 17 });

/** What the headers of a segment say, and whether its checksums are right (0). */
function said(bytes: Uint8Array, packet: Frame) {
  const { ip, transport, version, tcp } = packet;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    bytes: bytes.length,
    checksum: verify(bytes, packet),
    ip:
      version === 4
        ? [be16(bytes, ip + 2), be16(bytes, ip + 4), naiveChecksum(bytes.subarray(ip, transport))]
        : [be16(bytes, ip + 4)],
    transport: tcp ? [view.getUint32(transport + 4), bytes[transport + 13]] : [be16(bytes, transport + 4)],
  };
}

/** What they should. */
function right(
  { headers, ip, transport, version, tcp, payload }: Frame,
  k: number,
  size: number,
  last: boolean,
) {
  const bytes = headers + (last ? payload.length - k * size : size);
  const flags = 0x10 | (k === 0 ? 0x80 : 0) | (last ? 0x09 : 0);
  return {
    bytes,
    checksum: 0,
    ip: version === 4 ? [bytes - ip, (identification + k) & 0xffff, 0] : [bytes - ip - 40],
    transport: tcp ? [(sequence + k * size) % 2 ** 32, flags] : [bytes - transport],
  };
}

const kindOf = ({ version, tcp }: Shape): number =>
  tcp ? (version === 4 ? HDR_GSO_TCPV4 : HDR_GSO_TCPV6) : HDR_GSO_UDP_L4;

const shapes = fc.record({
  version: fc.constantFrom<4 | 6>(4, 6),
  tcp: fc.boolean(),
  tags: fc.nat({ max: 2 }),
  payload: fc.uint8Array({ minLength: 1, maxLength: 6000 }),
});

describe('a packet that is cut', () => {
  it('has its payload, in order, in segments with headers that are right', () => {
    fc.assert(
      fc.property(
        shapes,
        fc.integer({ min: 60, max: 3000 }),
        fc.constantFrom(...pools),
        fc.constantFrom(1, 3, 64),
        (shape, size, pool, step) => {
          const packet = frame(shape);
          const segments = cut(packet.bytes, kindOf(shape), size, pool, step) ?? [];
          const { headers } = packet;
          expect(Buffer.concat(segments.map((bytes) => bytes.subarray(headers)))).toEqual(
            Buffer.from(shape.payload),
          );
          const count = Math.ceil(shape.payload.length / size);
          expect(segments.map((bytes) => said(bytes, packet))).toEqual(
            Array.from({ length: count }, (_, k) => right(packet, k, size, k === count - 1)),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it('becomes fragments of one datagram where that was asked for (UFO)', () => {
    const packet = frame({ version: 4, tcp: false, tags: 0, payload: new Uint8Array(5000).fill(7) });
    const { ip, transport } = packet;
    const length = packet.bytes.length - transport;
    const pseudo = [...packet.bytes.subarray(ip + 12, ip + 20), 0, 17, length >>> 8, length & 255];
    new DataView(packet.bytes.buffer).setUint16(
      transport + 6,
      ~naiveChecksum(Uint8Array.from(pseudo)) & 0xffff,
    );
    const fragments = cut(packet.bytes, HDR_GSO_UDP, 1480) ?? [];
    expect(fragments.map((bytes) => be16(bytes, ip + 6))).toEqual([0x2000, 0x2000 | 185, 0x2000 | 370, 555]);
    for (const bytes of fragments) {
      expect(naiveChecksum(bytes.subarray(ip, transport))).toBe(0);
      expect([be16(bytes, ip + 2), be16(bytes, ip + 4)]).toEqual([bytes.length - ip, identification]);
    }
    const whole = Buffer.concat([
      packet.bytes.subarray(0, transport),
      ...fragments.map((bytes) => bytes.subarray(transport)),
    ]);
    expect([whole.length, verify(whole, packet)]).toEqual([packet.bytes.length, 0]);
  });

  const small = frame({ version: 4, tcp: true, tags: 0, payload: new Uint8Array(3000) });
  const changed = (change: (bytes: Uint8Array) => void): Uint8Array => {
    const bytes = small.bytes.slice();
    change(bytes);
    return bytes;
  };
  it.each<[string, Uint8Array, number, number]>([
    ['without a segment size', small.bytes, HDR_GSO_TCPV4, 0],
    ['in more than 1024 segments', small.bytes, HDR_GSO_TCPV4, 2],
    ['as another protocol', small.bytes, HDR_GSO_UDP_L4, 1448],
    ['as another version of IP', small.bytes, HDR_GSO_TCPV6, 1448],
    ['in a way that there is not', small.bytes, 2, 1448],
    ['in fragments of no bytes', small.bytes, HDR_GSO_UDP, 7],
    ['without a payload', small.bytes.slice(0, small.headers), HDR_GSO_TCPV4, 1448],
    [
      'whose TCP header is longer than it',
      changed((b) => (b[small.transport + 12] = 0xf0)).slice(0, 80),
      1,
      1448,
    ],
    ['whose TCP header is too short', changed((b) => (b[small.transport + 12] = 0x40)), HDR_GSO_TCPV4, 1448],
    ['that is a fragment', changed((b) => (b[small.ip + 6] = 0x20)), HDR_GSO_TCPV4, 1448],
    ['that is no IP', changed((b) => (b[12] = 0)), HDR_GSO_TCPV4, 1448],
  ])('is none %s', (_what, bytes, gso, size) => {
    expect(cut(bytes, gso, size)).toBe(undefined);
  });

  it('goes on where it was when its pool has buffers again', () => {
    const pool = poolOf(4, 2048);
    const source = new PacketBurst(1, { offloads: true });
    const packet = frame({ version: 4, tcp: true, tags: 0, payload: new Uint8Array(1800).fill(3) });
    writeFrames(pool, source, [packet.bytes]);
    source.offloads?.flags.fill(HDR_F_NEEDS_CSUM);
    source.offloads?.gsoType.fill(HDR_GSO_TCPV4);
    source.offloads?.segmentSize.fill(400);
    const segmenter = new Segmenter();
    if (source.offloads !== undefined) segmenter.begin(pool, source, 0, source.offloads, 0);
    const out = new PacketBurst(8);
    const counts: number[] = [];
    while (segmenter.left > 0) {
      out.count = 0;
      counts.push(segmenter.next(out, 8));
      out.release();
    }
    expect(counts).toEqual([3, 2]);
  });
});
