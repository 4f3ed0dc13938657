// Ethernet frames with UDP over IPv4, made and read by hand.
import { macToBytes } from '@vio/net';

const headers = 14 + 20 + 8;

export interface UdpEnds {
  readonly fromMac: string;
  readonly toMac: string;
  readonly from: string;
  readonly to: string;
  readonly port: number;
  /** Default: the same. */
  readonly sourcePort?: number;
}

/** A frame with this payload. UDP's checksum is left out, as IPv4 allows. */
export function udpFrame(
  { fromMac, toMac, from, to, port, sourcePort = port }: UdpEnds,
  payload: Uint8Array,
): Uint8Array {
  const frame = new Uint8Array(headers + payload.length);
  const view = new DataView(frame.buffer);
  frame.set(macToBytes(toMac), 0);
  frame.set(macToBytes(fromMac), 6);
  view.setUint16(12, 0x0800);
  view.setUint16(14, 0x4500);
  view.setUint16(16, frame.length - 14);
  view.setUint16(22, 64 * 256 + 17);
  frame.set(from.split('.').map(Number), 26);
  frame.set(to.split('.').map(Number), 30);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(24, ~sum & 0xffff);
  view.setUint16(34, sourcePort);
  view.setUint16(36, port);
  view.setUint16(38, 8 + payload.length);
  frame.set(payload, headers);
  return frame;
}

/** The payload of a UDP frame to this port, or undefined. */
export function udpPayload(frame: Uint8Array, port: number): Uint8Array | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (frame.length < headers || view.getUint16(12) !== 0x0800 || frame[23] !== 17) return undefined;
  return view.getUint16(36) === port ? frame.slice(headers, 34 + view.getUint16(38)) : undefined;
}

/** Bytes that no other number and length has. */
export function uniquePayload(n: number, length: number): Uint8Array {
  let state = (n + 1) * 0x9e37_79b1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}
