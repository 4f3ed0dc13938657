// ARP (RFC 826) and ICMP echo (RFC 792) for one address.

const etherTypeArp = 0x0806;
const etherTypeIpv4 = 0x0800;
const protocolIcmp = 1;
const echoRequest = 8;

/** A station on a link: six and four bytes. */
export interface Station {
  readonly mac: Uint8Array;
  readonly address: Uint8Array;
}

/** Turns a frame into its answer, in place. @returns false when it wants none */
export function answer(frame: Uint8Array, station: Station): boolean {
  if (frame.length < 42) return false;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const type = view.getUint16(12);
  const answered =
    type === etherTypeArp
      ? answerArp(frame, view, station)
      : type === etherTypeIpv4 && answerEcho(frame, view, station);
  if (!answered) return false;
  frame.copyWithin(0, 6, 12);
  frame.set(station.mac, 6);
  return true;
}

function answerArp(frame: Uint8Array, view: DataView, { mac, address }: Station): boolean {
  if (view.getUint16(20) !== 1 || !equal(frame.subarray(38, 42), address)) return false;
  frame.copyWithin(32, 22, 32); // who asked is the target now
  frame.set(mac, 22);
  frame.set(address, 28);
  view.setUint16(20, 2);
  return true;
}

function answerEcho(frame: Uint8Array, view: DataView, { address }: Station): boolean {
  const headerBytes = (frame[14] & 15) * 4;
  const icmp = 14 + headerBytes;
  if (frame[23] !== protocolIcmp || frame.length < icmp + 8) return false;
  if (frame[icmp] !== echoRequest || !equal(frame.subarray(30, 34), address)) return false;
  frame.copyWithin(30, 26, 30);
  frame.set(address, 26);
  frame[icmp] = 0;
  // The type fell from 8 to 0, so the checksum grows by as much (RFC 1624).
  const sum = view.getUint16(icmp + 2) + (echoRequest << 8);
  view.setUint16(icmp + 2, (sum & 0xffff) + (sum >>> 16));
  return true;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
