// A host of one address on a port: answers ARP and ping on every queue pair.
import { type NetPort, macToBytes } from '@vio/net';
import { type Station, answer } from '../../../examples/tap-ping/dist/answer.js';

/** Answers until the signal. @param address as in `10.1.0.2`. @returns answers by queue pair */
export function respond(port: NetPort, address: string, signal: AbortSignal): Promise<number[]> {
  const station: Station = {
    mac: macToBytes(port.mac),
    address: Uint8Array.from(address.split('.'), Number),
  };
  return Promise.all(port.rx.map((_, queue) => respondOn(port, queue, station, signal)));
}

async function respondOn(
  port: NetPort,
  queue: number,
  station: Station,
  signal: AbortSignal,
): Promise<number> {
  let answered = 0;
  for await (const frame of port.packets({ queue, signal })) {
    if (!answer(frame, station)) continue;
    await port.send(frame, { signal });
    answered++;
  }
  return answered;
}
