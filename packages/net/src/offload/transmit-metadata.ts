import type { BufferPool } from '@vio/rings';
import type { PacketBurst } from '../packet-burst.ts';
import {
  protocolTcp,
  tcpBytes,
  tcpChecksumAt,
  tcpLengthAt,
  udpBytes,
  udpChecksumAt,
} from '../packet-headers.ts';
import { PacketFlow } from '../rss/packet-flow.ts';
import { HDR_GSO_NONE, type PacketOffloads } from './packet-offloads.ts';

/** Reused for every packet. */
const flow = new PacketFlow();

/**
 * Turns what the headers of received packets say into what a sender would say of them, as DPDK's vhost library does without
 * RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS: lengths of headers are those of the frame and not the hint of its driver. Of a packet
 * that is not TCP or UDP over IP, or whose checksum is not the transport's, nothing is said.
 */
export function toTransmitMetadata(pool: BufferPool, burst: PacketBurst, offloads: PacketOffloads): void {
  for (let i = 0; i < burst.count; i++) {
    if (offloads.flags[i] === 0 && offloads.gsoType[i] === HDR_GSO_NONE) continue;
    const headers = headerBytes(pool, burst, i, offloads);
    if (headers === 0) offloads.clear(i);
    else offloads.headerLength[i] = headers;
  }
}

/** Bytes of all headers; 0: they are not those that the checksum belongs to. */
function headerBytes(pool: BufferPool, burst: PacketBurst, i: number, offloads: PacketOffloads): number {
  const { u8 } = pool.region;
  const frame = burst.offset[i];
  const piece = burst.segments[i] === 1 ? burst.length[i] : pool.dataLength[burst.buffer[i]];
  flow.read(u8, frame, piece);
  const transport = flow.portsAt - frame;
  if (flow.portsAt === -1 || transport !== offloads.checksumStart[i]) return 0;
  const tcp = flow.protocol === protocolTcp;
  if (offloads.checksumOffset[i] !== (tcp ? tcpChecksumAt : udpChecksumAt)) return 0;
  if (transport + (tcp ? tcpBytes : udpBytes) > piece) return 0;
  const own = tcp ? (u8[flow.portsAt + tcpLengthAt] >>> 4) << 2 : udpBytes;
  return own < (tcp ? tcpBytes : udpBytes) ? 0 : transport + own;
}
