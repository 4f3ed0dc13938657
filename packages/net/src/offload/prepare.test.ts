import { BufferPool, Region } from '@vio/rings';
import fc from 'fast-check';
import { naiveChecksum, transportSum } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { PacketBurst } from '../packet-burst.ts';
import { readFrames, writeFrames } from '../testing/frames.ts';
import { completeChecksum } from './checksum.ts';
import { HDR_F_NEEDS_CSUM, HDR_GSO_TCPV4, HDR_GSO_UDP_L4, PacketOffloads } from './packet-offloads.ts';
import { prepareOffloads } from './prepare.ts';

const pool = new BufferPool({ region: new Region(new ArrayBuffer(16 * 4096)), offset: 0, count: 16 });
/** The same, of buffers so small that headers and trailers lie in several. */
const smallPool = new BufferPool({
  region: new Region(new ArrayBuffer(64 * 256)),
  offset: 0,
  count: 64,
  dataRoom: 96,
  headroom: 64,
});

interface Shape {
  readonly version?: 4 | 6;
  readonly protocol?: 6 | 17 | 1;
  readonly payload?: Uint8Array;
  /** 802.1Q tags. */
  readonly tags?: number;
  /** Behind the packet: padding, or what somebody else has put there. */
  readonly trailer?: Uint8Array;
  /** IPv4 options, or IPv6 extension headers, with the first one's type. */
  readonly options?: Uint8Array;
  readonly extension?: number;
}

/** A frame, and where its parts are. */
interface Frame {
  readonly bytes: Uint8Array;
  readonly ip: number;
  readonly start: number;
  readonly end: number;
  readonly version: 4 | 6;
  readonly protocol: number;
}

function frame(shape: Shape = {}): Frame {
  const { version = 4, protocol = 6, tags = 0, extension } = shape;
  const { payload = new Uint8Array(0), trailer = new Uint8Array(0), options = new Uint8Array(0) } = shape;
  const ip = 14 + 4 * tags;
  const start = ip + (version === 4 ? 20 : 40) + options.length;
  const end = start + (protocol === 6 ? 20 : 8) + payload.length;
  const bytes = new Uint8Array(end + trailer.length).fill(0x11);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < tags; i++) view.setUint32(12 + 4 * i, 0x8100_0001);
  view.setUint16(ip - 2, version === 4 ? 0x0800 : 0x86dd);
  if (version === 4) {
    bytes[ip] = 0x45 + options.length / 4;
    view.setUint16(ip + 2, end - ip);
    view.setUint16(ip + 6, 0x4000);
    bytes[ip + 9] = protocol;
  } else {
    bytes[ip] = 0x60;
    view.setUint16(ip + 4, end - ip - 40);
    bytes[ip + 6] = extension ?? protocol;
  }
  bytes.set(options, start - options.length);
  if (protocol === 6) bytes[start + 12] = 0x50;
  else view.setUint16(start + 4, end - start);
  bytes.set(payload, end - payload.length);
  bytes.set(trailer, end);
  return { bytes, ip, start, end, version, protocol };
}

/** A burst of one packet with these bytes, to be readied. */
function burstOf(bytes: Uint8Array, gso = 0, segmentSize = 1448, memory = pool): PacketBurst {
  const burst = new PacketBurst(1, { offloads: true });
  writeFrames(memory, burst, [bytes]);
  burst.offloads?.flags.fill(HDR_F_NEEDS_CSUM);
  burst.offloads?.gsoType.fill(gso);
  burst.offloads?.segmentSize.fill(gso === 0 ? 0 : segmentSize);
  return burst;
}

/** What becomes of a frame: undefined when it is not readied; else its bytes and entry. */
function readied(bytes: Uint8Array, gso = 0, segmentSize = 1448, memory = pool) {
  const burst = burstOf(bytes, gso, segmentSize, memory);
  const done = prepareOffloads(memory, burst);
  const after = readFrames(burst)[0];
  burst.release();
  if (done === 1) return { after, offloads: burst.offloads ?? new PacketOffloads(1) };
  expect(after).toEqual(bytes);
  return undefined;
}

/** What a receiver's check gives once a device has done its part: 0 is right. */
function checkAfterDevice(packet: Frame, memory = pool): number {
  const result = readied(packet.bytes, 0, 0, memory);
  if (result === undefined) return -1;
  const { after, offloads } = result;
  completeChecksum(after, offloads.checksumStart[0], offloads.checksumOffset[0]);
  return transportSum(after, packet);
}

const shapes = fc.record({
  version: fc.constantFrom<4 | 6>(4, 6),
  protocol: fc.constantFrom<6 | 17>(6, 17),
  tags: fc.nat({ max: 2 }),
  payload: fc.uint8Array({ maxLength: 300 }),
  trailer: fc.oneof(
    fc.constant(new Uint8Array(0)),
    fc.uint8Array({ maxLength: 46, max: 0 }),
    fc.uint8Array({ maxLength: 200 }),
  ),
});

describe('prepareOffloads', () => {
  it('leaves a checksum that is right once it is completed, whatever follows the packet in its frame', () => {
    fc.assert(
      fc.property(shapes, fc.constantFrom(pool, smallPool), (shape, memory) => {
        expect(checkAfterDevice(frame(shape), memory)).toBe(0);
      }),
    );
  });

  it.each<[string, Shape]>([
    ['a TCP ACK of 54 bytes padded to 60', { trailer: new Uint8Array(6) }],
    ['the same padded with what was in memory', { trailer: Uint8Array.of(1, 2, 3, 4, 5, 6) }],
    ['an odd packet with an odd trailer', { payload: Uint8Array.of(9), trailer: Uint8Array.of(1, 2, 3) }],
    ['a tagged one padded to 64', { tags: 1, trailer: new Uint8Array(6) }],
    [
      'UDP of 4 bytes padded to 60',
      { protocol: 17, payload: new Uint8Array(4), trailer: new Uint8Array(14) },
    ],
    ['UDP of no bytes over IPv6, padded', { version: 6, protocol: 17, trailer: new Uint8Array(2) }],
    ['IPv4 with options', { options: new Uint8Array(40), trailer: new Uint8Array(7) }],
    [
      'IPv6 with hop-by-hop and destination options',
      { version: 6, extension: 0, options: Uint8Array.of(60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0) },
    ],
    [
      'IPv6 at the end of its route',
      { version: 6, extension: 43, options: Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0) },
    ],
  ])('readies %s', (_what, shape) => {
    expect(checkAfterDevice(frame(shape))).toBe(0);
  });

  it('believes UDP when it says that it is shorter than its IP packet', () => {
    const packet = frame({ protocol: 17, payload: Uint8Array.of(1, 2, 3, 4, 5, 6, 7) });
    const end = packet.end - 4;
    new DataView(packet.bytes.buffer).setUint16(packet.start + 4, end - packet.start);
    expect(checkAfterDevice({ ...packet, end })).toBe(0);
  });

  it('notes the headers of a packet to be cut, and completes its IPv4 checksum', () => {
    const result = readied(frame({ payload: new Uint8Array(1000) }).bytes, HDR_GSO_TCPV4);
    expect(result?.offloads.headerLength[0]).toBe(54);
    expect(naiveChecksum(result?.after.subarray(14, 34) ?? new Uint8Array(0))).toBe(0);
  });

  it('notes the headers of a packet that datagrams are made of', () => {
    const { bytes } = frame({ version: 6, protocol: 17, payload: new Uint8Array(1000) });
    expect(readied(bytes, HDR_GSO_UDP_L4)?.offloads.headerLength[0]).toBe(14 + 40 + 8);
  });

  /** A frame, changed. */
  const changed = (shape: Shape, change: (bytes: Uint8Array, at: Frame) => void): Uint8Array => {
    const packet = frame(shape);
    change(packet.bytes, packet);
    return packet.bytes;
  };
  const twenty = new Uint8Array(20);

  it.each<[string, Uint8Array, number?]>([
    ['TCP to be cut as UDP', frame({ payload: twenty }).bytes, HDR_GSO_UDP_L4],
    ['UDP to be cut as TCP', frame({ protocol: 17, payload: twenty }).bytes, HDR_GSO_TCPV4],
    ['IPv6 to be cut as IPv4', frame({ version: 6, payload: twenty }).bytes, HDR_GSO_TCPV4],
    ['something behind it that would be cut as well', frame({ trailer: twenty }).bytes, HDR_GSO_TCPV4],
    [
      'a TCP header longer than it',
      changed({}, (bytes, { start }) => (bytes[start + 12] = 0xf0)),
      HDR_GSO_TCPV4,
    ],
    [
      'a TCP header of less than 20 bytes',
      changed({}, (bytes, { start }) => (bytes[start + 12] = 0x40)),
      HDR_GSO_TCPV4,
    ],
    ['no IP', new Uint8Array(60)],
    ['13 bytes', frame().bytes.subarray(0, 13)],
    ['no TCP or UDP', frame({ protocol: 1, payload: twenty }).bytes],
    ['a transport header that is not all there', frame().bytes.subarray(0, 40)],
    ['a transport header without room for the checksum', frame().bytes.subarray(0, 51)],
    ['a tag that is not all there', frame({ tags: 1 }).bytes.subarray(0, 17)],
    ['three tags', frame({ tags: 3 }).bytes],
    ['IPv4 in the tag, IPv6 in the header', changed({}, (bytes, { ip }) => (bytes[ip] = 0x65))],
    ['an IPv4 header of 0 bytes', changed({}, (bytes, { ip }) => (bytes[ip] = 0x40))],
    ['an IPv4 header of 16 bytes', changed({}, (bytes, { ip }) => (bytes[ip] = 0x44))],
    ['an IPv4 header longer than the frame', changed({}, (bytes, { ip }) => (bytes[ip] = 0x4f))],
    ['an IPv4 length of 0', changed({}, (bytes, { ip }) => bytes.fill(0, ip + 2, ip + 4))],
    ['an IPv4 length one byte too long', changed({}, (bytes, { ip }) => bytes[ip + 3]++)],
    ['an IPv4 length without all of TCP', changed({}, (bytes, { ip }) => bytes[ip + 3]--)],
    ['an IPv6 length of 0, a jumbogram', changed({ version: 6 }, (bytes, { ip }) => (bytes[ip + 5] = 0))],
    ['an IPv6 length beyond the frame', changed({ version: 6 }, (bytes, { ip }) => bytes[ip + 5]++)],
    ['the first of several fragments', changed({}, (bytes, { ip }) => (bytes[ip + 6] = 0x20))],
    ['a later fragment', changed({}, (bytes, { ip }) => (bytes[ip + 7] = 1))],
    [
      'an IPv6 fragment',
      frame({ version: 6, extension: 44, options: Uint8Array.of(6, 0, 0, 1, 0, 0, 0, 0) }).bytes,
    ],
    [
      'an IPv6 route that goes on',
      frame({ version: 6, extension: 43, options: Uint8Array.of(6, 0, 0, 1, 0, 0, 0, 0) }).bytes,
    ],
    [
      'an authentication header',
      frame({ version: 6, extension: 51, options: Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0) }).bytes,
    ],
  ])('stops at a packet with %s, and leaves it as it is', (_what, bytes, gso) => {
    expect(readied(bytes, gso)).toBe(undefined);
  });

  it('stops at a packet to be cut into segments of no bytes', () => {
    expect(readied(frame({ payload: twenty }).bytes, HDR_GSO_TCPV4, 0)).toBe(undefined);
  });

  it('stops at a packet whose headers are not all in its first buffer', () => {
    const { bytes } = frame({
      version: 6,
      extension: 0,
      options: Uint8Array.of(6, 6, 1, 52, ...new Uint8Array(52)),
    });
    expect([
      readied(bytes, 0, 0, smallPool),
      checkAfterDevice(frame({ payload: new Uint8Array(200) }), smallPool),
    ]).toEqual([undefined, 0]);
  });

  it('readies the packets in front of one that it stops at', () => {
    const burst = new PacketBurst(3, { offloads: true });
    writeFrames(pool, burst, [frame().bytes, new Uint8Array(60), frame().bytes]);
    burst.offloads?.flags.fill(HDR_F_NEEDS_CSUM);
    expect([prepareOffloads(pool, burst), prepareOffloads(pool, burst, 2)]).toEqual([1, 3]);
    burst.release();
  });
});
