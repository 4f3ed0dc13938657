import type { BufferPool } from '@vio/rings';
import type { PacketBurst } from '../packet-burst.ts';
import { InternetChecksum } from './checksum.ts';
import {
  HDR_F_NEEDS_CSUM,
  HDR_GSO_ECN,
  HDR_GSO_NONE,
  HDR_GSO_TCPV4,
  HDR_GSO_TCPV6,
  HDR_GSO_UDP_L4,
  type PacketOffloads,
} from './packet-offloads.ts';

const etherTypes = { vlan: 0x8100, qinq: 0x88a8, ipv4: 0x0800, ipv6: 0x86dd } as const;
const protocols = { tcp: 6, udp: 17 } as const;
const udpHeaderBytes = 8;
/** Where TCP and UDP keep their checksum, in bytes from their header. */
const checksumAt: Readonly<Record<number, number>> = { [protocols.tcp]: 16, [protocols.udp]: 6 };

/**
 * Readies the packets of a burst whose checksum is left to the device (flag NEEDS_CSUM), from `from` on: finds the
 * headers, notes where the checksum begins and is stored, puts the pseudo-header's sum there, and, for packets to be
 * cut, notes the headers' length and completes the IPv4 header's checksum. What DPDK's tx_prepare does.
 * @returns index of the first packet that cannot be readied (no TCP or UDP over IP, headers not in the first buffer,
 *   a segmentation of the other IP version), or `burst.count`
 */
export function prepareOffloads(pool: BufferPool, burst: PacketBurst, from = 0): number {
  const { offloads } = burst;
  if (offloads === null) return burst.count;
  let i = from;
  for (; i < burst.count; i++) {
    if ((offloads.flags[i] & HDR_F_NEEDS_CSUM) !== 0 && !prepare(pool, burst, i, offloads)) break;
  }
  return i;
}

/** The IP packet in a frame. */
interface Transport {
  /** Bytes from the start of the frame. */
  readonly ip: number;
  readonly start: number;
  readonly version: 4 | 6;
  readonly protocol: number;
}

function prepare(pool: BufferPool, burst: PacketBurst, i: number, offloads: PacketOffloads): boolean {
  const { region } = pool;
  const offset = burst.offset[i];
  const bytes = burst.segments[i] === 1 ? burst.length[i] : pool.dataLength[burst.buffer[i]];
  const frame = region.u8.subarray(offset, offset + bytes);
  const found = findTransport(frame);
  if (found === null) return false;
  const stored = checksumAt[found.protocol];
  const kind = offloads.gsoType[i] & ~HDR_GSO_ECN;
  if (stored === undefined || found.start + stored + 2 > bytes) return false;
  if (kind !== HDR_GSO_NONE && !prepareCut(frame, found, kind, i, offloads)) return false;
  const sum = pseudoHeaderSum(frame, found, burst.length[i] - found.start);
  frame[found.start + stored] = sum >>> 8;
  frame[found.start + stored + 1] = sum & 0xff;
  offloads.checksumStart[i] = found.start;
  offloads.checksumOffset[i] = stored;
  return true;
}

function prepareCut(
  frame: Uint8Array,
  found: Transport,
  kind: number,
  i: number,
  offloads: PacketOffloads,
): boolean {
  if (kind === HDR_GSO_UDP_L4) {
    if (found.protocol !== protocols.udp) return false;
    offloads.headerLength[i] = found.start + udpHeaderBytes;
  } else {
    const fits = found.version === 4 ? kind === HDR_GSO_TCPV4 : kind === HDR_GSO_TCPV6;
    if (!fits || found.protocol !== protocols.tcp) return false;
    offloads.headerLength[i] = found.start + (frame[found.start + 12] >>> 4) * 4;
  }
  if (found.version === 4) completeIpv4(frame, found);
  return true;
}

function findTransport(frame: Uint8Array): Transport | null {
  let ip = 14;
  let type = (frame[12] << 8) | frame[13];
  while ((type === etherTypes.vlan || type === etherTypes.qinq) && ip + 4 <= frame.length) {
    type = (frame[ip + 2] << 8) | frame[ip + 3];
    ip += 4;
  }
  if (type === etherTypes.ipv4 && frame.length >= ip + 20) {
    return { ip, start: ip + (frame[ip] & 15) * 4, version: 4, protocol: frame[ip + 9] };
  }
  if (type === etherTypes.ipv6 && frame.length >= ip + 40) {
    return { ip, start: ip + 40, version: 6, protocol: frame[ip + 6] };
  }
  return null;
}

function completeIpv4(frame: Uint8Array, { ip, start }: Transport): void {
  frame[ip + 10] = 0;
  frame[ip + 11] = 0;
  const checksum = new InternetChecksum();
  checksum.add(frame, ip, start);
  frame[ip + 10] = checksum.value >>> 8;
  frame[ip + 11] = checksum.value & 0xff;
}

/** RFC 9293, 3.1 and RFC 8200, 8.1. @param bytes of the transport header and all that follows it */
function pseudoHeaderSum(frame: Uint8Array, { ip, version, protocol }: Transport, bytes: number): number {
  const checksum = new InternetChecksum();
  if (version === 4) checksum.add(frame, ip + 12, ip + 20);
  else checksum.add(frame, ip + 8, ip + 40);
  checksum.addWord(protocol);
  checksum.addWord(bytes & 0xffff);
  checksum.addWord(bytes >>> 16);
  return checksum.sum;
}
