import { linkTypeEthernet } from '../pcap/pcap.ts';
import type { CaptureFormat, CaptureSource } from './capture-format.ts';
import { pcapngBlock, pcapngOption } from './pcapng-blocks.ts';

const byteOrderMagic = 0x1a2b3c4d;
/** Bytes of the option that ends them. */
const endOfOptions = 4;

/** Block type, length, interface, time, the two lengths; and behind the packet flags, end of options, and length. */
const packetHeadBytes = 28;
const packetTailBytes = 8 + endOfOptions + 4;

const padded = (bytes: number): number => (bytes + 3) & ~3;

/** pcapng: every queue is an interface with its name, packets have their direction, and what is missing is told at the end. */
export function pcapngFormat(): CaptureFormat {
  let directions: readonly number[] = [];
  return {
    head(sources, snaplen) {
      directions = sources.map(({ direction }) => (direction === 'in' ? 1 : 2));
      return Buffer.concat([section(), ...sources.map((source) => description(source, snaplen))]);
    },
    recordBytes: (captured) => packetHeadBytes + padded(captured) + packetTailBytes,
    record(view, at, source, microseconds, captured, wire) {
      const bytes = packetHeadBytes + padded(captured) + packetTailBytes;
      view.setUint32(at, pcapngBlock.packet, true);
      view.setUint32(at + 4, bytes, true);
      view.setUint32(at + 8, source, true);
      // Microseconds, the unit when an interface names none, in two halves.
      view.setUint32(at + 12, Math.floor(microseconds / 2 ** 32), true);
      view.setUint32(at + 16, microseconds % 2 ** 32, true);
      view.setUint32(at + 20, captured, true);
      view.setUint32(at + 24, wire, true);
      const options = at + packetHeadBytes + padded(captured);
      view.setUint16(options, pcapngOption.packetFlags, true);
      view.setUint16(options + 2, 4, true);
      view.setUint32(options + 4, directions[source], true);
      view.setUint32(at + bytes - 4, bytes, true);
      return at + packetHeadBytes;
    },
    tail: (dropped) => Buffer.concat(dropped.map((packets, source) => statistics(source, packets))),
  };
}

function section(): Uint8Array {
  const body = new DataView(new ArrayBuffer(16));
  body.setUint32(0, byteOrderMagic, true);
  body.setUint16(4, 1, true);
  // Length of the section: not known.
  body.setBigInt64(8, -1n, true);
  return block(pcapngBlock.section, body);
}

function description({ name }: CaptureSource, snaplen: number): Uint8Array {
  const text = new TextEncoder().encode(name);
  const body = new DataView(new ArrayBuffer(8 + 4 + padded(text.length) + endOfOptions));
  body.setUint16(0, linkTypeEthernet, true);
  body.setUint32(4, snaplen, true);
  body.setUint16(8, pcapngOption.interfaceName, true);
  body.setUint16(10, text.length, true);
  new Uint8Array(body.buffer).set(text, 12);
  return block(pcapngBlock.interface, body);
}

function statistics(source: number, dropped: number): Uint8Array {
  const body = new DataView(new ArrayBuffer(12 + 4 + 8 + endOfOptions));
  const microseconds = Date.now() * 1000;
  body.setUint32(0, source, true);
  body.setUint32(4, Math.floor(microseconds / 2 ** 32), true);
  body.setUint32(8, microseconds % 2 ** 32, true);
  body.setUint16(12, pcapngOption.dropped, true);
  body.setUint16(14, 8, true);
  body.setBigUint64(16, BigInt(dropped), true);
  return block(pcapngBlock.statistics, body);
}

function block(type: number, body: DataView): Uint8Array {
  const bytes = body.byteLength + 12;
  const whole = new Uint8Array(bytes);
  const view = new DataView(whole.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, bytes, true);
  whole.set(new Uint8Array(body.buffer), 8);
  view.setUint32(bytes - 4, bytes, true);
  return whole;
}
