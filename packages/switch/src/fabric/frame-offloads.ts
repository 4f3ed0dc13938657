import { HDR_GSO_ECN, HDR_GSO_NONE, HDR_GSO_UDP, HDR_GSO_UDP_L4, type PacketBurst } from '@vio/net';
import { tcpLengthAt, udpBytes } from '@vio/net/internal';
import type { BufferPool } from '@vio/rings';

/** True when packet `i` leaves a checksum or its segmentation to whoever gets it. */
export function leavesWork({ offloads }: PacketBurst, i: number): boolean {
  return offloads !== undefined && (offloads.flags[i] | offloads.gsoType[i]) !== 0;
}

/** Entry `to` leaves the same to whoever gets it as entry `i` of another burst does. */
export function keepOffloads(into: PacketBurst, to: number, burst: PacketBurst, i: number): void {
  if (into.offloads === undefined) return;
  if (burst.offloads !== undefined && leavesWork(burst, i)) into.offloads.copy(to, burst.offloads, i);
  else {
    into.offloads.flags[to] = 0;
    into.offloads.gsoType[to] = 0;
  }
}

/** The headers of packet `i` have become longer, or shorter: its checksum begins elsewhere. */
export function moveOffloads(burst: PacketBurst, i: number, bytes: number): void {
  const { offloads } = burst;
  if (offloads === undefined || !leavesWork(burst, i)) return;
  offloads.checksumStart[i] += bytes;
  if (offloads.headerLength[i] !== 0) offloads.headerLength[i] += bytes;
}

/** Bytes of the largest frame that packet `i` is on a wire: of one that is to be cut, a segment with its headers. */
export function frameBytes(burst: PacketBurst, pool: BufferPool, i: number): number {
  const { offloads } = burst;
  const bytes = burst.length[i];
  if (offloads === undefined || offloads.gsoType[i] === HDR_GSO_NONE) return bytes;
  const start = offloads.checksumStart[i];
  const kind = offloads.gsoType[i] & ~HDR_GSO_ECN;
  let headers = start;
  if (kind === HDR_GSO_UDP_L4) headers += udpBytes;
  else if (kind !== HDR_GSO_UDP) {
    const inOnePiece = burst.segments[i] === 1 ? bytes : pool.dataLength[burst.buffer[i]];
    // Who cuts it will find that its headers are not there.
    if (start + tcpLengthAt >= inOnePiece) return bytes;
    headers += (pool.region.u8[burst.offset[i] + start + tcpLengthAt] >>> 4) << 2;
  }
  const segment = headers + offloads.segmentSize[i];
  return segment < bytes ? segment : bytes;
}
