/** RFC 1071 as it is written: 16-bit words, end-around carry at the end. */
export function naiveChecksum(bytes: Uint8Array): number {
  let sum = 0n;
  for (let i = 0; i < bytes.length; i += 2) sum += BigInt((bytes[i] << 8) | (bytes[i + 1] ?? 0));
  while (sum > 0xffffn) sum = (sum & 0xffffn) + (sum >> 16n);
  return Number(~sum & 0xffffn);
}

/** Where in a frame its headers are: byte offsets of the IP header and of the transport's, and of the packet's end. */
export interface PacketPlaces {
  readonly ip: number;
  readonly start: number;
  readonly end: number;
  readonly version: number;
  /** Number of the transport. */
  readonly protocol: number;
}

/** The sum over pseudo-header and transport of a packet: 0 when its checksum is right. */
export function transportSum(bytes: Uint8Array, { ip, start, end, version, protocol }: PacketPlaces): number {
  const addresses = version === 4 ? bytes.subarray(ip + 12, ip + 20) : bytes.subarray(ip + 8, ip + 40);
  const length = end - start;
  return naiveChecksum(
    Uint8Array.of(...addresses, 0, protocol, length >>> 8, length & 255, ...bytes.subarray(start, end)),
  );
}

const tcpStart = 34;

/** A TCP segment over IPv4, without checksums. Its checksum is at byte 50. */
export function tcpSegment(payload: number): Uint8Array {
  const bytes = Uint8Array.from({ length: 54 + payload }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
  const view = new DataView(bytes.buffer);
  view.setUint16(12, 0x0800);
  bytes[14] = 0x45;
  view.setUint16(16, bytes.length - 14);
  view.setUint16(20, 0x4000);
  bytes[23] = 6;
  bytes[46] = 0x50;
  bytes[47] = 0x10;
  return bytes;
}

/** Whether such a segment has the checksum that it should have. */
export function isComplete(bytes: Uint8Array): boolean {
  const places = { ip: 14, start: tcpStart, end: bytes.length, version: 4, protocol: 6 };
  return transportSum(bytes, places) === 0;
}

/** Where the transport's header begins in a frame, behind IP without options or extensions: byte offset. */
export const transportOf = (version: 4 | 6): number => (version === 4 ? 34 : 54);

/**
 * A UDP datagram that is left to others to complete: where its checksum is to be, it has the sum of the pseudo-header. It begins at byte
 * 34 over IPv4, at byte 54 over IPv6.
 * @param address writes addresses and ports
 */
export function udpDatagram(
  version: 4 | 6,
  payload: number,
  seed = 0,
  address: (frame: Uint8Array) => void = () => {},
): Uint8Array {
  const start = transportOf(version);
  const bytes = Uint8Array.from({ length: start + 8 + payload }, (_, i) => (i * 7 + (i >> 8) + seed) & 0xff);
  const view = new DataView(bytes.buffer);
  address(bytes);
  view.setUint16(12, version === 4 ? 0x0800 : 0x86dd);
  if (version === 4) {
    bytes[14] = 0x45;
    view.setUint16(16, bytes.length - 14);
    view.setUint16(20, 0);
    bytes[23] = 17;
    view.setUint16(24, 0);
    view.setUint16(24, naiveChecksum(bytes.subarray(14, 34)));
  } else {
    bytes[14] = 0x60;
    view.setUint16(18, bytes.length - start);
    bytes[20] = 17;
  }
  view.setUint16(start + 4, bytes.length - start);
  const pseudo = { ip: 14, start, end: start, version, protocol: 17 };
  // The length counts as well: added to the sum over nothing, as `transportSum` has it.
  const sum = (~transportSum(bytes, pseudo) & 0xffff) + (bytes.length - start);
  view.setUint16(start + 6, (sum & 0xffff) + (sum >>> 16));
  return bytes;
}

/** Whether a datagram over this version of IP has a checksum, and the one that it should have; of IPv4 its header, too. */
export function isCompleteDatagram(bytes: Uint8Array, version: 4 | 6): boolean {
  const start = transportOf(version);
  const has = bytes[start + 6] !== 0 || bytes[start + 7] !== 0;
  const header = version === 6 || naiveChecksum(bytes.subarray(14, 34)) === 0;
  return (
    has && header && transportSum(bytes, { ip: 14, start, end: bytes.length, version, protocol: 17 }) === 0
  );
}
