import { type PacketBurst, PacketFlow } from '@vio/net';
import {
  be16,
  completeIpv4,
  ethernetBytes,
  macBytes,
  putBe16,
  typeArp,
  typeIpv4,
  typeProviderVlan,
  typeVlan,
  vlanTagBytes,
} from '@vio/net/internal';
import type { BufferPool } from '@vio/rings';
import { type Edit, firstBytes } from '../engine.ts';
import type { LaneAddresses } from '../lane.ts';
import { exchange } from './bytes.ts';

const arpBytes = 28;
const arpRequest = 1;
const arpReply = 2;
const protocolIcmp = 1;
const echoRequest = 8;
/** Bytes of an ICMP header with identifier and sequence number. */
const echoBytes = 8;

/** Reused for every packet. */
const flow = new PacketFlow();

/**
 * `icmpecho`: answers ARP requests and ICMP echo requests, to whatever IPv4 address, and drops everything else. Requests that are in
 * pieces (fragments, a broadcast destination) are not answered.
 */
export const answerEcho: Edit = ({ addresses }, pool, burst) => {
  let kept = 0;
  for (let i = 0; i < burst.count; i++) {
    if (addresses === undefined || !answer(pool, burst, i, addresses)) {
      burst.releaseOne(i);
      continue;
    }
    burst.offloads?.clear(i);
    if (kept !== i) burst.move(kept, i);
    kept++;
  }
  burst.count = kept;
};

/** Makes the answer of a request. @returns false: it is none */
function answer(pool: BufferPool, burst: PacketBurst, i: number, { own }: LaneAddresses): boolean {
  const { u8 } = pool.region;
  const at = burst.offset[i];
  const end = at + firstBytes(pool, burst, i);
  const type = typeOf(u8, at, end);
  if (type === -1) return false;
  if (be16(u8, type) === typeArp) return answerArp(u8, at, type + 2, end, own);
  flow.read(u8, at, end - at);
  if (flow.version !== 4 || flow.protocol !== protocolIcmp) return false;
  const { ipAt } = flow;
  const icmp = ipAt + ((u8[ipAt] & 15) << 2);
  if (icmp + echoBytes > end || u8[icmp] !== echoRequest || (be16(u8, ipAt + 6) & 0x3fff) !== 0) return false;
  answerPing(u8, at, ipAt, icmp);
  return true;
}

/** Where the EtherType is, behind any tags; -1: the frame is too short for one. */
function typeOf(u8: Uint8Array, at: number, end: number): number {
  let type = at + ethernetBytes - 2;
  for (let tags = 0; tags < 2 && type + 6 <= end; tags++, type += vlanTagBytes) {
    const value = be16(u8, type);
    if (value !== typeVlan && value !== typeProviderVlan) break;
  }
  return type + 2 <= end ? type : -1;
}

function answerArp(u8: Uint8Array, at: number, arp: number, end: number, own: Uint8Array): boolean {
  // Ethernet and IPv4, a request.
  if (arp + arpBytes > end || be16(u8, arp) !== 1 || be16(u8, arp + 2) !== typeIpv4) return false;
  if (u8[arp + 4] !== macBytes || u8[arp + 5] !== 4 || be16(u8, arp + 6) !== arpRequest) return false;
  u8[arp + 7] = arpReply;
  const sender = arp + 8;
  exchange(u8, sender, macBytes + 4);
  u8.set(own, sender);
  u8.copyWithin(at, at + macBytes, at + 2 * macBytes);
  u8.set(own, at + macBytes);
  return true;
}

function answerPing(u8: Uint8Array, at: number, ip: number, icmp: number): void {
  exchange(u8, at, macBytes);
  const source = ip + 12;
  const target = source + 4;
  // What was asked of a group is answered by a neighbour of whoever asked: a group sends nothing (RFC 1112).
  if (u8[target] >>> 4 === 0xe) {
    u8.copyWithin(target, source, target);
    u8[source + 3] = (u8[source + 3] & 0xfc) | ((u8[source + 3] & 3) === 1 ? 2 : 1);
    completeIpv4(u8, ip, ip + ((u8[ip] & 15) << 2));
  } else exchange(u8, source, 4);
  u8[icmp] = 0;
  // The type was the high byte of a word of the sum (RFC 1624).
  const sum = be16(u8, icmp + 2) + (echoRequest << 8);
  putBe16(u8, icmp + 2, (sum & 0xffff) + (sum >>> 16));
}
