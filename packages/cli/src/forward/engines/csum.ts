import { HDR_F_NEEDS_CSUM, HDR_GSO_TCPV4, HDR_GSO_TCPV6, type PacketBurst, PacketFlow } from '@vio/net';
import {
  InternetChecksum,
  addPseudoHeader,
  checksumFrom,
  completeIpv4,
  exchangeWord,
  packetEnd,
  protocolTcp,
  putBe16,
  tcpChecksumAt,
  tcpLengthAt,
  udpChecksumAt,
} from '@vio/net/internal';
import type { BufferPool } from '@vio/rings';
import { type Edit, firstBytes } from '../engine.ts';
import type { ChecksumWork } from '../lane.ts';
import { setAddresses } from './mac.ts';

/** Reused for every packet. */
const flow = new PacketFlow();
const sum = new InternetChecksum();

/** Everything is worked out here. */
export const ownChecksums: ChecksumWork = { udp: 'sw', tcp: 'sw', segmentBytes: 0 };

/**
 * `csum` (or `checksum`): sets the addresses as `mac` does, and makes the checksums of IPv4 headers, TCP and UDP anew: here, or where the
 * port is told so (`csum set tcp hw 0`) by the device. TCP that is longer than the port's segment size is left to the device to cut.
 */
export const makeChecksums: Edit = (lane, pool, burst) => {
  setAddresses(lane, pool, burst);
  const work = lane.checksums ?? ownChecksums;
  for (let i = 0; i < burst.count; i++) packetChecksums(pool, burst, i, work);
};

function packetChecksums(pool: BufferPool, burst: PacketBurst, i: number, work: ChecksumWork): void {
  const { u8 } = pool.region;
  const frame = burst.offset[i];
  const bytes = firstBytes(pool, burst, i);
  flow.read(u8, frame, bytes);
  if (flow.version === 4) ipv4Checksum(u8, flow.ipAt, frame + bytes);
  const { portsAt: transport } = flow;
  if (transport === -1 || flow.routed) return;
  const tcp = flow.protocol === protocolTcp;
  const stored = transport + (tcp ? tcpChecksumAt : udpChecksumAt);
  if (stored + 2 > frame + bytes) return;
  // A sum of 0 is none, and stays none.
  if (!tcp && u8[stored] === 0 && u8[stored + 1] === 0) return;
  const { offloads } = burst;
  // What was put together is cut again, by whoever can.
  if (offloads !== undefined && offloads.gsoType[i] !== 0) return;
  if ((tcp ? work.tcp : work.udp) === 'hw' && offloads !== undefined) {
    offloads.clear(i);
    offloads.flags[i] = HDR_F_NEEDS_CSUM;
    if (tcp) segment(u8, burst, i, transport, work.segmentBytes);
    return;
  }
  offloads?.clear(i);
  ownSum(pool, burst, i, transport, stored);
}

/** Leaves the cutting to the device. */
function segment(
  u8: Uint8Array,
  burst: PacketBurst,
  i: number,
  transport: number,
  segmentBytes: number,
): void {
  const headers = transport - burst.offset[i] + ((u8[transport + tcpLengthAt] >>> 4) << 2);
  if (segmentBytes === 0 || burst.offloads === undefined || burst.length[i] - headers <= segmentBytes) return;
  burst.offloads.gsoType[i] = flow.version === 4 ? HDR_GSO_TCPV4 : HDR_GSO_TCPV6;
  burst.offloads.segmentSize[i] = segmentBytes;
}

/** The sum of pseudo-header, transport header and data (RFC 9293, 3.1; RFC 8200, 8.1), which may lie in several buffers. */
function ownSum(pool: BufferPool, burst: PacketBurst, i: number, transport: number, stored: number): void {
  const { u8 } = pool.region;
  const frame = burst.offset[i];
  const { version, addressAt, protocol } = flow;
  const end = packetEnd(u8, flow);
  const bytes = end - transport;
  if (bytes < stored + 2 - transport || end > frame + burst.length[i]) return;
  sum.reset();
  addPseudoHeader(sum, u8, version, addressAt, protocol, bytes);
  putBe16(u8, stored, sum.sum);
  // What follows the packet in its frame, as padding does, is not summed.
  const frameBytes = burst.length[i];
  burst.length[i] = end - frame;
  const value = checksumFrom(pool, burst, i, transport - frame);
  exchangeWord(pool, burst, i, stored - frame, value);
  burst.length[i] = frameBytes;
}

function ipv4Checksum(u8: Uint8Array, ip: number, end: number): void {
  const headerEnd = ip + ((u8[ip] & 15) << 2);
  if (headerEnd <= end) completeIpv4(u8, ip, headerEnd);
}
