import type { BufferPool } from '@vio/rings';
import type { PacketBurst } from '../packet-burst.ts';
import {
  protocolTcp,
  protocolUdp,
  tcpBytes,
  tcpChecksumAt,
  tcpLengthAt,
  udpBytes,
  udpChecksumAt,
  udpLengthAt,
} from '../packet-headers.ts';
import { PacketFlow } from '../rss/packet-flow.ts';
import { be16 } from '../big-endian.ts';
import { InternetChecksum } from './checksum.ts';
import { addPseudoHeader, completeIpv4, packetEnd } from './ip-sums.ts';
import {
  HDR_F_NEEDS_CSUM,
  HDR_GSO_ECN,
  HDR_GSO_NONE,
  HDR_GSO_TCPV4,
  HDR_GSO_TCPV6,
  HDR_GSO_UDP_L4,
} from './packet-offloads.ts';

/** Reused for every packet. */
const flow = new PacketFlow();

/**
 * Readies the packets of a burst whose checksum is left to the device (flag NEEDS_CSUM), from `from` on: finds the
 * headers, notes where the checksum begins and is stored, puts the pseudo-header's sum there, and, for packets to be
 * cut, notes the headers' length and completes the IPv4 header's checksum. What DPDK's tx_prepare does. How long a
 * packet is, its IP header says: what follows it in the frame, as padding does, counts for nothing.
 * @returns index of the first packet that cannot be readied, or `burst.count`. It is as it was. That is a packet without
 *   TCP or UDP over IP, a fragment, one whose headers are not in the first buffer, or contradict each other or the
 *   frame, one on a route that is not over, more than two VLAN tags; of those to be cut also one without a segment
 *   size, of another protocol than its segmentation, or with something behind it
 */
export function prepareOffloads(pool: BufferPool, burst: PacketBurst, from = 0): number {
  const { offloads } = burst;
  if (offloads === undefined) return burst.count;
  let i = from;
  for (; i < burst.count; i++) {
    if ((offloads.flags[i] & HDR_F_NEEDS_CSUM) !== 0 && !prepare(pool, burst, i)) break;
  }
  return i;
}

function prepare(pool: BufferPool, burst: PacketBurst, i: number): boolean {
  const { offloads } = burst;
  const { u8 } = pool.region;
  const frame = burst.offset[i];
  const bytes = burst.segments[i] === 1 ? burst.length[i] : pool.dataLength[burst.buffer[i]];
  flow.read(u8, frame, bytes);
  const transport = flow.portsAt;
  // Without ports it is something else, a fragment, or cut off.
  if (offloads === undefined || transport === -1 || flow.routed) return false;
  const tcp = flow.protocol === protocolTcp;
  const stored = transport + (tcp ? tcpChecksumAt : udpChecksumAt);
  const length = transportLength(u8, transport);
  const start = transport - frame;
  if (length < (tcp ? tcpBytes : udpBytes) || start + length > burst.length[i]) return false;
  if (stored + 2 > frame + bytes) return false;
  const trailer = burst.length[i] - start - length;
  const kind = offloads.gsoType[i] & ~HDR_GSO_ECN;
  if (kind !== HDR_GSO_NONE) {
    const headers = tcp ? (u8[transport + tcpLengthAt] >>> 4) << 2 : udpBytes;
    // A device cuts all that is there, whatever the IP header says.
    if (trailer > 0 || offloads.segmentSize[i] === 0 || kind !== cutOf(flow)) return false;
    if (headers < (tcp ? tcpBytes : udpBytes) || headers > length) return false;
    if (start + headers > bytes) return false;
    offloads.headerLength[i] = start + headers;
    if (flow.version === 4) completeIpv4(u8, flow.ipAt, transport);
  }
  let sum = pseudoHeaderSum(u8, flow, length);
  // The device sums up to the end of the frame: what does not belong to the packet is taken off here.
  if (trailer > 0) sum = less(sum, trailerSum(pool, burst, i, start + length, length));
  u8[stored] = sum >>> 8;
  u8[stored + 1] = sum & 0xff;
  offloads.checksumStart[i] = start;
  offloads.checksumOffset[i] = stored - transport;
  return true;
}

/** How a packet of this kind can be cut. */
function cutOf({ protocol, version }: PacketFlow): number {
  if (protocol === protocolUdp) return HDR_GSO_UDP_L4;
  return version === 4 ? HDR_GSO_TCPV4 : HDR_GSO_TCPV6;
}

/** Bytes of the transport's header and data: by the IP header, and by UDP's own where it says less (RFC 768). */
function transportLength(u8: Uint8Array, transport: number): number {
  const length = packetEnd(u8, flow) - transport;
  if (flow.protocol !== protocolUdp || length < udpBytes) return length;
  const own = be16(u8, transport + udpLengthAt);
  return own >= udpBytes && own < length ? own : length;
}

/** @param bytes of the transport header and all that belongs to it */
function pseudoHeaderSum(
  u8: Uint8Array,
  { addressAt, version, protocol }: PacketFlow,
  bytes: number,
): number {
  const checksum = new InternetChecksum();
  addPseudoHeader(checksum, u8, version, addressAt, protocol, bytes);
  return checksum.sum;
}

/** The sum of a frame's bytes from `from` on, as they count in a sum that has `before` bytes in front of them. */
function trailerSum(pool: BufferPool, burst: PacketBurst, i: number, from: number, before: number): number {
  const { u8 } = pool.region;
  const checksum = new InternetChecksum();
  if ((before & 1) !== 0) checksum.add(oddByte, 0, 1);
  if (burst.segments[i] === 1) {
    checksum.add(u8, burst.offset[i] + from, burst.offset[i] + burst.length[i]);
    return checksum.sum;
  }
  let skip = from;
  for (let b = burst.buffer[i]; b !== -1; b = pool.next[b]) {
    const length = pool.dataLength[b];
    if (skip < length) checksum.add(u8, pool.dataOffset[b] + skip, pool.dataOffset[b] + length);
    skip = skip < length ? 0 : skip - length;
  }
  return checksum.sum;
}

const oddByte = new Uint8Array(1);

/** Ones' complement subtraction of 16-bit sums. */
function less(sum: number, what: number): number {
  if (what === 0) return sum;
  const difference = sum + (~what & 0xffff);
  return (difference & 0xffff) + (difference >>> 16);
}
