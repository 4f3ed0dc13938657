// Says what a frame is, for a person. Nothing in it is trusted: what is cut off or makes no sense is left out.
import { macFromBytes } from '@vio/net/internal/mac-address';

/** A frame in words. */
export interface DecodedFrame {
  readonly source: string;
  readonly destination: string;
  /** The innermost protocol that was understood, as in `TCP`. */
  readonly protocol: string;
  readonly info: string;
}

const etherTypes: Readonly<Record<number, string>> = {
  0x0800: 'IPv4',
  0x0806: 'ARP',
  0x8035: 'RARP',
  0x86dd: 'IPv6',
  0x8847: 'MPLS',
  0x88cc: 'LLDP',
};
const ipProtocols: Readonly<Record<number, string>> = {
  1: 'ICMP',
  2: 'IGMP',
  6: 'TCP',
  17: 'UDP',
  47: 'GRE',
  50: 'ESP',
  58: 'ICMPv6',
  89: 'OSPF',
  132: 'SCTP',
};
const tcpFlags = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG'];
const icmpTypes: Readonly<Record<number, string>> = {
  0: 'echo reply',
  3: 'unreachable',
  5: 'redirect',
  8: 'echo request',
  11: 'time exceeded',
};
const icmp6Types: Readonly<Record<number, string>> = {
  1: 'unreachable',
  2: 'packet too big',
  3: 'time exceeded',
  128: 'echo request',
  129: 'echo reply',
  133: 'router solicitation',
  134: 'router advertisement',
  135: 'neighbour solicitation',
  136: 'neighbour advertisement',
};
const mostTags = 2;

/** @param frame its beginning, from the destination address on */
export function decodeFrame(frame: Uint8Array): DecodedFrame {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 14) return { source: '', destination: '', protocol: 'Ethernet', info: 'cut off' };
  const [destination, source] = [macFromBytes(frame), macFromBytes(frame, 6)];
  let type = view.getUint16(12);
  let at = 14;
  const tags: string[] = [];
  while ((type === 0x8100 || type === 0x88a8) && tags.length < mostTags && at + 4 <= frame.length) {
    tags.push(`VLAN ${view.getUint16(at) & 0xfff}`);
    type = view.getUint16(at + 2);
    at += 4;
  }
  const inner = network(view, frame, type, at) ?? {
    source,
    destination,
    protocol: etherTypes[type] ?? (type < 0x600 ? 'LLC' : `0x${type.toString(16).padStart(4, '0')}`),
    info: `from ${source} to ${destination}`,
  };
  return tags.length === 0 ? inner : { ...inner, info: `${tags.join(', ')}: ${inner.info}` };
}

function network(view: DataView, frame: Uint8Array, type: number, at: number): DecodedFrame | undefined {
  if (type === 0x0800) return ipv4(view, frame, at);
  if (type === 0x86dd) return ipv6(view, frame, at);
  if (type === 0x0806) return arp(view, frame, at);
  return undefined;
}

function ipv4(view: DataView, frame: Uint8Array, at: number): DecodedFrame | undefined {
  if (at + 20 > frame.length || frame[at] >>> 4 !== 4) return undefined;
  const [source, destination] = [dotted(frame, at + 12), dotted(frame, at + 16)];
  const fragment = view.getUint16(at + 6);
  const ends = { source, destination };
  const protocol = frame[at + 9];
  if ((fragment & 0x1fff) !== 0) {
    return { ...ends, protocol: name(protocol), info: `fragment at ${8 * (fragment & 0x1fff)}` };
  }
  return transport(view, frame, protocol, at + 4 * (frame[at] & 15), ends);
}

function ipv6(view: DataView, frame: Uint8Array, at: number): DecodedFrame | undefined {
  if (at + 40 > frame.length || frame[at] >>> 4 !== 6) return undefined;
  const ends = { source: groups(view, at + 8), destination: groups(view, at + 24) };
  return transport(view, frame, frame[at + 6], at + 40, ends);
}

function arp(view: DataView, frame: Uint8Array, at: number): DecodedFrame | undefined {
  if (at + 28 > frame.length || view.getUint32(at) !== 0x0001_0800) return undefined;
  const [source, destination] = [dotted(frame, at + 14), dotted(frame, at + 24)];
  const operation = view.getUint16(at + 6);
  const info =
    operation === 1
      ? `who has ${destination}? tell ${source}`
      : operation === 2
        ? `${source} is at ${macFromBytes(frame, at + 8)}`
        : `operation ${operation}`;
  return { source, destination, protocol: 'ARP', info };
}

interface Ends {
  readonly source: string;
  readonly destination: string;
}

function transport(
  view: DataView,
  frame: Uint8Array,
  protocol: number,
  at: number,
  ends: Ends,
): DecodedFrame {
  const say = (info: string): DecodedFrame => ({ ...ends, protocol: name(protocol), info });
  const ports = (): string => `${view.getUint16(at)} → ${view.getUint16(at + 2)}`;
  if (protocol === 6 && at + 20 <= frame.length) {
    const set = tcpFlags.filter((_, bit) => (frame[at + 13] & (1 << bit)) !== 0);
    return say(`${ports()} [${set.join(' ')}] seq ${view.getUint32(at + 4)} win ${view.getUint16(at + 14)}`);
  }
  if (protocol === 17 && at + 8 <= frame.length) {
    return say(`${ports()} ${Math.max(0, view.getUint16(at + 4) - 8)} bytes`);
  }
  if ((protocol === 1 || protocol === 58) && at + 4 <= frame.length) {
    const type = frame[at];
    const types = protocol === 1 ? icmpTypes : icmp6Types;
    return say(types[type] ?? `type ${type} code ${frame[at + 1]}`);
  }
  return say('');
}

const name = (protocol: number): string => ipProtocols[protocol] ?? `IP ${protocol}`;

const dotted = (frame: Uint8Array, at: number): string => frame.subarray(at, at + 4).join('.');

/** As RFC 5952 writes it: the longest row of zeroes is left out. */
function groups(view: DataView, at: number): string {
  const words = Array.from({ length: 8 }, (_, i) => view.getUint16(at + 2 * i).toString(16));
  const rows = [...words.join(':').matchAll(/\b0(?::0\b)+/g)].map(([row]) => row);
  const longest = rows.toSorted((a, b) => b.length - a.length).at(0);
  const text = words.join(':');
  if (longest === undefined) return text;
  const from = text.search(new RegExp(`\\b${longest}\\b`));
  return `${text.slice(0, from).replace(/:$/, '')}::${text.slice(from + longest.length).replace(/^:/, '')}`;
}
