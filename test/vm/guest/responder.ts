// A host of one address on a port: answers ARP and ping.
import type { NetPort } from '@vio/net';

const arp = 0x0806;
const ipv4 = 0x0800;
const icmp = 1;

/** Answers on every queue pair until the port ends. @param address as in `10.1.0.2`. @returns answers by queue pair */
export function respond(port: NetPort, address: string, signal: AbortSignal): Promise<number[]> {
  return Promise.all(port.rx.map((_, queue) => respondOn(port, queue, address, signal)));
}

async function respondOn(
  port: NetPort,
  queue: number,
  address: string,
  signal: AbortSignal,
): Promise<number> {
  const mac = Uint8Array.from(port.mac.split(':'), (byte) => Number.parseInt(byte, 16));
  const ip = Uint8Array.from(address.split('.'), Number);
  let answered = 0;
  for await (const frame of port.packets({ queue, signal })) {
    const answer = answerTo(frame, mac, ip);
    if (answer === null) continue;
    await port.send(answer, { signal });
    answered++;
  }
  return answered;
}

/** @returns the answer, in the frame itself, or null when it wants none */
function answerTo(frame: Uint8Array, mac: Uint8Array, ip: Uint8Array): Uint8Array | null {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const type = frame.length < 34 ? 0 : view.getUint16(12);
  if (type === arp && equal(frame.subarray(38, 42), ip) && view.getUint16(20) === 1) {
    frame.copyWithin(32, 22, 32); // who asked is the target now
    frame.set(mac, 22);
    frame.set(ip, 28);
    view.setUint16(20, 2);
  } else if (type === ipv4 && frame[23] === icmp && frame[34] === 8 && equal(frame.subarray(30, 34), ip)) {
    frame.copyWithin(30, 26, 30);
    frame.set(ip, 26);
    frame[34] = 0;
    addToChecksum(view, 36, 0x0800);
  } else {
    return null;
  }
  frame.copyWithin(0, 6, 12);
  frame.set(mac, 6);
  return frame;
}

/** RFC 1624: the checksum after a 16-bit word became smaller by `less`. */
function addToChecksum(view: DataView, at: number, less: number): void {
  const sum = view.getUint16(at) + less;
  view.setUint16(at, (sum & 0xffff) + (sum >>> 16));
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
