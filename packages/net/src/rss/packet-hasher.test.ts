import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  HASH_REPORT_IPv4,
  HASH_REPORT_IPv6,
  HASH_REPORT_NONE,
  HASH_REPORT_TCPv4,
  HASH_REPORT_TCPv6,
  HASH_REPORT_UDPv4,
  HASH_REPORT_UDPv6,
  HASH_TYPE_IPv4,
  HASH_TYPE_TCPv4,
  defaultHashKey,
  supportedHashTypes,
} from './hash-types.ts';
import { PacketHasher } from './packet-hasher.ts';

const ports = (source: number, destination: number): number[] =>
  [source, destination].flatMap((port) => [port >>> 8, port & 0xff]);
const v4 = (address: string): number[] => address.split('.').map(Number);
const v6 = (address: string): number[] => {
  const [left = [], right = []] = address.split('::').map((half) => half.split(':').filter((g) => g !== ''));
  const zeroes = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeroes, ...right].flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >>> 8, value & 0xff];
  });
};
const ethernet = (type: number, tags: number[] = []): number[] => [
  ...Array.from({ length: 12 }, () => 2),
  ...tags,
  type >>> 8,
  type & 0xff,
];

interface Ipv4 {
  readonly source: string;
  readonly destination: string;
  readonly protocol?: number;
  readonly payload?: number[];
  readonly options?: number;
  readonly fragment?: number;
  readonly tags?: number[];
}

function ipv4(packet: Ipv4): Uint8Array {
  const { source, destination, protocol = 6, payload = [], options = 0, fragment = 0, tags = [] } = packet;
  return Uint8Array.from([
    ...ethernet(0x0800, tags),
    0x45 + options,
    ...new Uint8Array(5),
    fragment >>> 8,
    fragment & 0xff,
    64,
    protocol,
    ...new Uint8Array(2),
    ...v4(source),
    ...v4(destination),
    ...Array.from({ length: 4 * options }, () => 0),
    ...payload,
  ]);
}

function ipv6(source: string, destination: string, next: number, payload: number[]): Uint8Array {
  return Uint8Array.from([
    ...ethernet(0x86dd),
    0x60,
    ...new Uint8Array(4),
    payload.length,
    next,
    64,
    ...v6(source),
    ...v6(destination),
    ...payload,
  ]);
}

const hashOf = (frame: Uint8Array, hashTypes = supportedHashTypes): [number, number] => {
  const hasher = new PacketHasher({ hashTypes, key: defaultHashKey });
  // Not at the start of its memory.
  const memory = Uint8Array.from([...new Uint8Array(7), ...frame, 0xff]);
  hasher.hash(memory, 7, frame.length);
  return [hasher.value >>> 0, hasher.report];
};

/** "Verifying the RSS hash calculation" of Microsoft's documentation of NDIS. */
const vectors4 = [
  ['161.142.100.80', 1766, '66.9.149.187', 2794, 0x323e8fc2, 0x51ccc178],
  ['65.69.140.83', 4739, '199.92.111.2', 14230, 0xd718262a, 0xc626b0ea],
  ['12.22.207.184', 38024, '24.19.198.95', 12898, 0xd2d0a5de, 0x5c2b394a],
  ['209.142.163.6', 2217, '38.27.205.30', 48228, 0x82989176, 0xafc7327f],
  ['202.188.127.2', 1303, '153.39.163.191', 44251, 0x5d1809c5, 0x10e828a2],
] as const;
const vectors6 = [
  ['3ffe:2501:200:3::1', 1766, '3ffe:2501:200:1fff::7', 2794, 0x2cc18cd5, 0x40207d3d],
  ['ff02::1', 4739, '3ffe:501:8::260:97ff:fe40:efab', 14230, 0x0f0c461c, 0xdde51bbf],
  ['fe80::200:f8ff:fe21:67cf', 38024, '3ffe:1900:4545:3:200:f8ff:fe21:67cf', 44251, 0x4b61e985, 0x02d1feef],
] as const;

describe('the test vectors of Microsoft', () => {
  it.each(vectors4)('%s:%i from %s:%i', (destination, port, source, sourcePort, alone, tcp) => {
    const payload = ports(sourcePort, port);
    const frame = ipv4({ source, destination, payload });
    expect(hashOf(frame, HASH_TYPE_IPv4)).toEqual([alone, HASH_REPORT_IPv4]);
    expect(hashOf(frame)).toEqual([tcp, HASH_REPORT_TCPv4]);
    expect(hashOf(ipv4({ source, destination, payload, protocol: 17 }))).toEqual([tcp, HASH_REPORT_UDPv4]);
  });

  it.each(vectors6)('%s port %i from %s port %i', (destination, port, source, sourcePort, alone, tcp) => {
    const payload = ports(sourcePort, port);
    expect(hashOf(ipv6(source, destination, 58, payload))).toEqual([alone, HASH_REPORT_IPv6]);
    expect(hashOf(ipv6(source, destination, 6, payload))).toEqual([tcp, HASH_REPORT_TCPv6]);
    expect(hashOf(ipv6(source, destination, 17, payload))).toEqual([tcp, HASH_REPORT_UDPv6]);
  });
});

const [[destination, port, source, sourcePort, alone, tcp]] = vectors4;
const payload = ports(sourcePort, port);

describe('the ports', () => {
  it.each([
    ['behind options', { options: 3 }],
    ['behind a VLAN tag', { tags: [0x81, 0, 0, 7] }],
    ['behind two tags', { tags: [0x88, 0xa8, 0, 7, 0x81, 0, 0, 8] }],
  ])('are found %s', (_, more) => {
    expect(hashOf(ipv4({ source, destination, payload, ...more }))).toEqual([tcp, HASH_REPORT_TCPv4]);
  });

  it('are found behind extension headers of IPv6', () => {
    const [[to, toPort, from, fromPort, , hash]] = vectors6;
    const extensions = [43, 0, 0, 0, 0, 0, 0, 0, 6, 1, ...Array.from({ length: 14 }, () => 0)];
    const frame = ipv6(from, to, 0, [...extensions, ...ports(fromPort, toPort)]);
    expect(hashOf(frame)).toEqual([hash, HASH_REPORT_TCPv6]);
  });

  it.each([
    ['a first fragment', 0x2000],
    ['a later fragment', 100],
  ])('of %s do not count', (_, fragment) => {
    expect(hashOf(ipv4({ source, destination, payload, fragment }))).toEqual([alone, HASH_REPORT_IPv4]);
  });

  it('of a fragment of IPv6 do not count', () => {
    const [[to, toPort, from, fromPort, hash]] = vectors6;
    const frame = ipv6(from, to, 44, [6, 0, 0, 1, 0, 0, 0, 0, ...ports(fromPort, toPort)]);
    expect(hashOf(frame)).toEqual([hash, HASH_REPORT_IPv6]);
  });

  it('that are cut off do not count', () => {
    expect(hashOf(ipv4({ source, destination, payload: payload.slice(0, 3) }))[1]).toBe(HASH_REPORT_IPv4);
  });
});

describe('no hash', () => {
  it.each([
    ['has ARP', Uint8Array.from([...ethernet(0x0806), ...new Uint8Array(28)])],
    ['has a frame that ends in its tag', Uint8Array.from([...ethernet(0x8100), 0, 7])],
    ['has a frame of 13 bytes', new Uint8Array(13)],
    ['has an IPv4 header that is cut off', ipv4({ source, destination }).slice(0, 33)],
    ['has a header of less than 20 bytes', ipv4({ source, destination, options: -1 })],
    ['has IPv6 in the clothes of IPv4', Uint8Array.from([...ethernet(0x0800), 0x60, ...new Uint8Array(60)])],
  ])('%s', (_, frame) => {
    expect(hashOf(frame)).toEqual([0, HASH_REPORT_NONE]);
  });

  it('has a packet of a type that is not asked for', () => {
    expect(hashOf(ipv4({ source, destination, payload, protocol: 17 }), HASH_TYPE_TCPv4)[1]).toBe(
      HASH_REPORT_NONE,
    );
  });
});

it('reads nothing behind a frame, whatever that says', () => {
  fc.assert(
    fc.property(
      fc.constantFrom([0x08, 0x00], [0x86, 0xdd], [0x81, 0x00]),
      fc.uint8Array({ maxLength: 120 }),
      (type, rest) => {
        const frame = [...ethernet(0).slice(0, 12), ...type, ...rest];
        const behind = (value: number): [number, number] => {
          const hasher = new PacketHasher({ hashTypes: supportedHashTypes, key: defaultHashKey });
          const memory = new Uint8Array(4096).fill(value);
          memory.set(frame);
          hasher.hash(memory, 0, frame.length);
          return [hasher.value, hasher.report];
        };
        expect(behind(0xff)).toEqual(behind(0));
      },
    ),
  );
});
