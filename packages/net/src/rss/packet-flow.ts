import { be16 } from '../big-endian.ts';
import {
  ethernetBytes,
  ipv4Bytes,
  ipv6Bytes,
  protocolTcp,
  protocolUdp,
  typeIpv4,
  typeIpv6,
  typeProviderVlan,
  typeVlan,
  vlanTagBytes,
} from '../packet-headers.ts';

/** Tags in front of a packet that are looked behind. */
const mostVlanTags = 2;
/** Headers of a kind that IPv6 puts between itself and the transport; more than these are not followed. */
const mostExtensions = 8;
const hopByHop = 0;
const routing = 43;
const fragment = 44;
const destinationOptions = 60;

/**
 * Finds what tells a packet's flow: addresses, and ports where they are. A reusable reader: nothing is allocated. It
 * believes nothing that the packet says of itself beyond its bytes.
 */
export class PacketFlow {
  /** 4, 6, or 0 for what is not IP, or cut off. */
  version = 0;
  /** Where the IP header begins; of what is IP only. */
  ipAt = 0;
  /** Where the source address begins, and behind it the destination's. */
  addressAt = 0;
  /** The protocol above IP; of a later fragment too. */
  protocol = 0;
  /** Where the source port begins, and behind it the destination's; -1: there are none, or it is a fragment. */
  portsAt = -1;
  /** True when a routing header names further destinations: the address is not the last one (RFC 8200, 4.4). */
  routed = false;
  /** The VLAN of the outermost tag; -1: there is none. */
  vlan = -1;

  /** Reads the headers of a frame of `bytes` bytes at `at`. All of them have to be in one piece. */
  read(u8: Uint8Array, at: number, bytes: number): void {
    const end = at + bytes;
    this.version = 0;
    this.portsAt = -1;
    this.routed = false;
    this.vlan = -1;
    let typeAt = at + ethernetBytes - 2;
    if (typeAt + 2 > end) return;
    let type = be16(u8, typeAt);
    for (let tags = 0; tags < mostVlanTags && (type === typeVlan || type === typeProviderVlan); tags++) {
      if (typeAt + 6 > end) return;
      if (this.vlan === -1) this.vlan = be16(u8, typeAt + 2) & 0xfff;
      typeAt += vlanTagBytes;
      type = be16(u8, typeAt);
    }
    const ip = typeAt + 2;
    if (type === typeIpv4) this.#readIpv4(u8, ip, end);
    else if (type === typeIpv6) this.#readIpv6(u8, ip, end);
  }

  #readIpv4(u8: Uint8Array, ip: number, end: number): void {
    if (ip + ipv4Bytes > end || u8[ip] >>> 4 !== 4) return;
    const headerBytes = (u8[ip] & 15) << 2;
    if (headerBytes < ipv4Bytes) return;
    this.version = 4;
    this.ipAt = ip;
    this.addressAt = ip + 12;
    this.protocol = u8[ip + 9];
    // More fragments, or not the first: the ports are not in all of them.
    if ((be16(u8, ip + 6) & 0x3fff) === 0) this.#findPorts(ip + headerBytes, end);
  }

  #readIpv6(u8: Uint8Array, ip: number, end: number): void {
    if (ip + ipv6Bytes > end || u8[ip] >>> 4 !== 6) return;
    this.version = 6;
    this.ipAt = ip;
    this.addressAt = ip + 8;
    let next = u8[ip + 6];
    let at = ip + ipv6Bytes;
    let fragmented = false;
    for (let i = 0; i < mostExtensions && at + 8 <= end; i++) {
      if (next === fragment) fragmented = true;
      else if (next !== hopByHop && next !== routing && next !== destinationOptions) break;
      if (next === routing && u8[at + 3] !== 0) this.routed = true;
      const length = next === fragment ? 8 : (u8[at + 1] + 1) << 3;
      next = u8[at];
      at += length;
    }
    this.protocol = next;
    if (!fragmented) this.#findPorts(at, end);
  }

  #findPorts(at: number, end: number): void {
    if ((this.protocol === protocolTcp || this.protocol === protocolUdp) && at + 4 <= end) this.portsAt = at;
  }
}
