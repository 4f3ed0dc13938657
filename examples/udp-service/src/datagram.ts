// ARP (RFC 826) and UDP over IPv4 (RFC 768, 791), as far as one service needs them: no fragments, no options.

export const etherTypeArp = 0x0806;
const etherTypeIpv4 = 0x0800;
const protocolUdp = 17;
const headers = 14 + 20 + 8;

/** A UDP datagram with all its addresses; of six and four bytes. */
export interface Datagram {
  readonly fromMac: Uint8Array;
  readonly toMac: Uint8Array;
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly fromPort: number;
  readonly toPort: number;
  readonly payload: Uint8Array;
}

/** The datagram in a frame; undefined when it has none that this understands. Everything in it was written by others. */
export function datagramIn(frame: Uint8Array): Datagram | undefined {
  if (frame.length < headers) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (view.getUint16(12) !== etherTypeIpv4 || frame[14] !== 0x45 || frame[23] !== protocolUdp)
    return undefined;
  // A part of a datagram is none.
  if ((view.getUint16(20) & 0x3fff) !== 0) return undefined;
  const bytes = view.getUint16(38);
  if (bytes < 8 || 34 + bytes > frame.length || view.getUint16(16) < 20 + bytes) return undefined;
  if (checksum(frame.subarray(14, 34)) !== 0) return undefined;
  return {
    toMac: frame.slice(0, 6),
    fromMac: frame.slice(6, 12),
    from: frame.slice(26, 30),
    to: frame.slice(30, 34),
    fromPort: view.getUint16(34),
    toPort: view.getUint16(36),
    payload: frame.slice(headers, 34 + bytes),
  };
}

/** A frame with a datagram. Its UDP checksum is left out, which IPv4 allows. */
export function frameOf({ fromMac, toMac, from, to, fromPort, toPort, payload }: Datagram): Uint8Array {
  const frame = new Uint8Array(Math.max(60, headers + payload.length));
  const view = new DataView(frame.buffer);
  frame.set(toMac, 0);
  frame.set(fromMac, 6);
  view.setUint16(12, etherTypeIpv4);
  view.setUint16(14, 0x4500);
  view.setUint16(16, 28 + payload.length);
  view.setUint16(20, 0x4000); // not to be divided
  view.setUint16(22, (64 << 8) | protocolUdp);
  frame.set(from, 26);
  frame.set(to, 30);
  view.setUint16(24, checksum(frame.subarray(14, 34)));
  view.setUint16(34, fromPort);
  view.setUint16(36, toPort);
  view.setUint16(38, 8 + payload.length);
  frame.set(payload, headers);
  return frame;
}

/** The answer to an ARP request for this address; undefined when the frame is none. */
export function arpAnswer(frame: Uint8Array, mac: Uint8Array, address: Uint8Array): Uint8Array | undefined {
  if (frame.length < 42) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (view.getUint16(12) !== etherTypeArp || view.getUint16(20) !== 1) return undefined;
  if (!frame.subarray(38, 42).every((byte, i) => byte === address[i])) return undefined;
  return arp(2, { mac, address }, { mac: frame.slice(22, 28), address: frame.slice(28, 32) });
}

/** A question who has an address. */
export function arpRequest(mac: Uint8Array, address: Uint8Array, wanted: Uint8Array): Uint8Array {
  return arp(1, { mac, address }, { mac: new Uint8Array(6).fill(0xff), address: wanted });
}

/** Who has this address, as an ARP answer says; undefined when the frame is none. */
export function macInArp(frame: Uint8Array, wanted: Uint8Array): Uint8Array | undefined {
  if (frame.length < 42) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (view.getUint16(12) !== etherTypeArp || view.getUint16(20) !== 2) return undefined;
  return frame.subarray(28, 32).every((byte, i) => byte === wanted[i]) ? frame.slice(22, 28) : undefined;
}

interface Station {
  readonly mac: Uint8Array;
  readonly address: Uint8Array;
}

function arp(operation: 1 | 2, sender: Station, target: Station): Uint8Array {
  const frame = new Uint8Array(60);
  const view = new DataView(frame.buffer);
  frame.set(target.mac, 0);
  frame.set(sender.mac, 6);
  view.setUint16(12, etherTypeArp);
  view.setUint16(14, 1);
  view.setUint16(16, etherTypeIpv4);
  view.setUint16(18, 0x0604);
  view.setUint16(20, operation);
  frame.set(sender.mac, 22);
  frame.set(sender.address, 28);
  if (operation === 2) frame.set(target.mac, 32);
  frame.set(target.address, 38);
  return frame;
}

/** Of an IPv4 header; 0 when it is right already. */
function checksum(header: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < header.length; i += 2) sum += (header[i] << 8) | header[i + 1];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
