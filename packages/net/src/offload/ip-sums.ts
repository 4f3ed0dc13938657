import { be16, putBe16 } from '../big-endian.ts';
import { ipv6Bytes } from '../packet-headers.ts';
import type { PacketFlow } from '../rss/packet-flow.ts';
import { InternetChecksum } from './checksum.ts';

/** Reused: no two sums are worked out at once. */
const checksum = new InternetChecksum();

/** Where a packet ends, by its IP header. @param flow that has read it */
export function packetEnd(u8: Uint8Array, { version, ipAt }: PacketFlow): number {
  return version === 4 ? ipAt + be16(u8, ipAt + 2) : ipAt + ipv6Bytes + be16(u8, ipAt + 4);
}

/** Stores the checksum of an IPv4 header. @param end of the header */
export function completeIpv4(u8: Uint8Array, ip: number, end: number): void {
  putBe16(u8, ip + 10, 0);
  checksum.reset();
  checksum.add(u8, ip, end);
  putBe16(u8, ip + 10, checksum.value);
}

/**
 * Begins the sum of a packet's transport with that of its pseudo-header (RFC 9293, 3.1 and RFC 8200, 8.1).
 * @param addresses where the source address is
 * @param bytes of the transport header and all that belongs to it
 */
export function addPseudoHeader(
  sum: InternetChecksum,
  u8: Uint8Array,
  version: number,
  addresses: number,
  protocol: number,
  bytes: number,
): void {
  sum.add(u8, addresses, addresses + (version === 4 ? 8 : 32));
  sum.addWord(protocol);
  sum.addWord(bytes);
}
