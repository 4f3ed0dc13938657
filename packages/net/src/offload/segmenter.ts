import type { BufferPool } from '@vio/rings';
import type { PacketBurst } from '../packet-burst.ts';
import {
  ipv6Bytes,
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
import { be16, be32, putBe16 } from '../big-endian.ts';
import { InternetChecksum } from './checksum.ts';
import { checksumFrom } from './complete.ts';
import { addPseudoHeader, completeIpv4 } from './ip-sums.ts';
import {
  HDR_GSO_ECN,
  HDR_GSO_TCPV4,
  HDR_GSO_TCPV6,
  HDR_GSO_UDP,
  HDR_GSO_UDP_L4,
  type PacketOffloads,
} from './packet-offloads.ts';

const FIN_PSH = 0x09;
const CWR = 0x80;
const MORE_FRAGMENTS = 0x2000;
/** Segments of one packet: as many as 64 KiB are at the least segment size of TCP (64 bytes). What is to be cut finer is dropped. */
const mostSegments = 1024;
/** Bytes of the longest packet that is cut, and so of a segment. */
const mostBytes = 65_600;

/** Reused for every packet. */
const flow = new PacketFlow();
const sum = new InternetChecksum();

/**
 * Cuts a packet that was to be cut by a device into what goes on a wire, checksums complete: TCP over IPv4 and IPv6, UDP
 * datagrams (USO), and UDP fragments over IPv4 (UFO). What an adapter does, for receivers that do not take large packets.
 * The packet stays its owner's, and as it is; it must not change until the last segment is made.
 */
export class Segmenter {
  /** Segments that are still to be made. */
  left = 0;
  #pool: BufferPool | undefined;
  #buffers = new Int32Array(0);
  /** Where the frame's headers begin. */
  #frame = 0;
  /** Bytes of headers that every segment has, and where they are in the frame. */
  #headers = 0;
  #ip = 0;
  #transport = 0;
  #version = 0;
  #protocol = 0;
  #fragments = false;
  #vlan = 0;
  /** Payload in a segment, made so far, and to come. */
  #unit = 0;
  #made = 0;
  #payload = 0;
  #sequence = 0;
  #identification = 0;
  /** Of a datagram that is cut into fragments: the first one has it. */
  #checksum = 0;
  /** Where the payload goes on: a buffer, and a byte of it. */
  #buffer = -1;
  #at = 0;
  #end = 0;

  /**
   * Looks at packet `i`.
   * @param entry of `offloads`, which says how it is to be cut
   * @returns false when it cannot be: its headers are not in its first buffer, are of another kind, or contradict each other; it
   *   has no payload, or more than 1024 segments
   */
  begin(pool: BufferPool, burst: PacketBurst, i: number, offloads: PacketOffloads, entry: number): boolean {
    this.left = 0;
    const { u8 } = pool.region;
    const frame = burst.offset[i];
    const total = burst.length[i];
    const piece = burst.segments[i] === 1 ? total : pool.dataLength[burst.buffer[i]];
    flow.read(u8, frame, piece);
    const kind = offloads.gsoType[entry] & ~HDR_GSO_ECN;
    const transport = flow.portsAt - frame;
    if (flow.portsAt === -1 || total > mostBytes || !fits(kind)) return false;
    const tcp = flow.protocol === protocolTcp;
    this.#fragments = kind === HDR_GSO_UDP;
    if (transport + (tcp ? tcpBytes : udpBytes) > piece) return false;
    const own = tcp ? (u8[frame + transport + tcpLengthAt] >>> 4) << 2 : udpBytes;
    if (own < (tcp ? tcpBytes : udpBytes)) return false;
    const headers = transport + (this.#fragments ? 0 : own);
    const unit = this.#fragments ? offloads.segmentSize[entry] & ~7 : offloads.segmentSize[entry];
    if (headers > piece || headers > pool.dataRoom || headers >= total || unit === 0) return false;
    const count = Math.ceil((total - headers) / unit);
    if (count > mostSegments) return false;
    this.#checksum = this.#fragments ? checksumFrom(pool, burst, i, transport) : 0;
    this.#pool = pool;
    if (this.#buffers.length * pool.dataRoom < mostBytes)
      this.#buffers = new Int32Array(Math.ceil(mostBytes / pool.dataRoom));
    this.left = count;
    this.#frame = frame;
    this.#headers = headers;
    this.#ip = flow.ipAt - frame;
    this.#transport = transport;
    this.#version = flow.version;
    this.#protocol = flow.protocol;
    this.#vlan = burst.vlan === undefined ? 0 : burst.vlan[i];
    this.#unit = unit;
    this.#made = 0;
    this.#payload = total - headers;
    this.#sequence = tcp ? be32(u8, frame + transport + 4) >>> 0 : 0;
    this.#identification = flow.version === 4 ? be16(u8, flow.ipAt + 4) : 0;
    this.#buffer = burst.segments[i] === 1 ? -1 : burst.buffer[i];
    this.#at = frame + headers;
    this.#end = frame + piece;
    return true;
  }

  /**
   * Appends segments to a burst of the same pool, in buffers of their own that belong to the burst then.
   * @param end entry at which it stops
   * @returns how many; fewer than there is room for when the pool has no buffers, or all are made
   */
  next(out: PacketBurst, end: number): number {
    const before = out.count;
    out.pool = this.#pool;
    while (this.left > 0 && out.count < end && this.#make(out)) this.left--;
    return out.count - before;
  }

  #make(out: PacketBurst): boolean {
    const pool = this.#pool;
    if (pool === undefined) return false;
    const part = this.#payload < this.#unit ? this.#payload : this.#unit;
    const bytes = this.#headers + part;
    const needed = Math.ceil(bytes / pool.dataRoom);
    const buffers = this.#buffers;
    if (pool.available(needed) < needed) return false;
    pool.alloc(buffers, 0, needed);
    const { u8 } = pool.region;
    const to = pool.dataBase + buffers[0] * pool.stride;
    u8.copyWithin(to, this.#frame, this.#frame + this.#headers);
    for (let k = 0, left = bytes; k < needed; k++) {
      const b = buffers[k];
      const room = left < pool.dataRoom ? left : pool.dataRoom;
      const skip = k === 0 ? this.#headers : 0;
      pool.dataOffset[b] = pool.dataBase + b * pool.stride;
      pool.dataLength[b] = room;
      pool.next[b] = k + 1 < needed ? buffers[k + 1] : -1;
      this.#copy(pool, pool.dataOffset[b] + skip, room - skip);
      left -= room;
    }
    this.#payload -= part;
    this.#rewrite(pool, to, bytes, needed);
    this.#made++;
    const n = out.count++;
    out.buffer[n] = buffers[0];
    out.offset[n] = to;
    out.length[n] = bytes;
    out.segments[n] = needed;
    out.offloads?.clear(n);
    if (out.vlan !== undefined) out.vlan[n] = this.#vlan;
    return true;
  }

  /** The next bytes of the payload. */
  #copy(pool: BufferPool, to: number, bytes: number): void {
    const { u8 } = pool.region;
    for (let done = 0; done < bytes;) {
      while (this.#at === this.#end) {
        this.#buffer = pool.next[this.#buffer];
        this.#at = pool.dataOffset[this.#buffer];
        this.#end = this.#at + pool.dataLength[this.#buffer];
      }
      const room = this.#end - this.#at;
      const part = bytes - done < room ? bytes - done : room;
      u8.copyWithin(to + done, this.#at, this.#at + part);
      this.#at += part;
      done += part;
    }
  }

  /** Lets the headers of a segment at `at` say what it is. */
  #rewrite(pool: BufferPool, at: number, bytes: number, buffers: number): void {
    const { u8 } = pool.region;
    const ip = at + this.#ip;
    const transport = at + this.#transport;
    if (!this.#fragments) {
      if (this.#protocol === protocolTcp) this.#rewriteTcp(u8, transport);
      else putBe16(u8, transport + udpLengthAt, bytes - this.#transport);
    }
    if (this.#version === 4) {
      putBe16(u8, ip + 2, bytes - this.#ip);
      if (this.#fragments) {
        const more = this.#payload > 0 ? MORE_FRAGMENTS : 0;
        putBe16(u8, ip + 6, more | ((this.#made * this.#unit) >>> 3));
      } else {
        putBe16(u8, ip + 4, this.#identification + this.#made);
      }
      completeIpv4(u8, ip, transport);
    } else {
      putBe16(u8, ip + 4, bytes - this.#ip - ipv6Bytes);
    }
    if (!this.#fragments) this.#complete(pool, at, bytes, buffers);
    else if (this.#made === 0) putBe16(u8, transport + udpChecksumAt, this.#checksum);
  }

  #rewriteTcp(u8: Uint8Array, tcp: number): void {
    const sequence = this.#sequence + this.#made * this.#unit;
    putBe16(u8, tcp + 4, sequence >>> 16);
    putBe16(u8, tcp + 6, sequence);
    if (this.#payload > 0) u8[tcp + 13] &= ~FIN_PSH;
    if (this.#made > 0) u8[tcp + 13] &= ~CWR;
  }

  #complete(pool: BufferPool, at: number, bytes: number, buffers: number): void {
    const { u8 } = pool.region;
    const transport = at + this.#transport;
    const tcp = this.#protocol === protocolTcp;
    const stored = transport + (tcp ? tcpChecksumAt : udpChecksumAt);
    putBe16(u8, stored, 0);
    sum.reset();
    const addresses = at + this.#ip + (this.#version === 4 ? 12 : 8);
    addPseudoHeader(sum, u8, this.#version, addresses, this.#protocol, bytes - this.#transport);
    for (let k = 0; k < buffers; k++) {
      const b = this.#buffers[k];
      const from = k === 0 ? transport : pool.dataOffset[b];
      sum.add(u8, from, pool.dataOffset[b] + pool.dataLength[b]);
    }
    putBe16(u8, stored, sum.value === 0 && !tcp ? 0xffff : sum.value);
  }
}

/** Whether a packet is of the kind that its header says. */
function fits(kind: number): boolean {
  const { version, protocol } = flow;
  switch (kind) {
    case HDR_GSO_TCPV4:
      return version === 4 && protocol === protocolTcp;
    case HDR_GSO_TCPV6:
      return version === 6 && protocol === protocolTcp;
    case HDR_GSO_UDP_L4:
      return protocol === protocolUdp;
    case HDR_GSO_UDP:
      return version === 4 && protocol === protocolUdp;
    default:
      return false;
  }
}
