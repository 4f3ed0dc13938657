// What a packet costs either side while its peer costs nothing: both are in this process and take turns, and each
// turn is timed on its own. Everything is in the cache of one core, so this is work without waiting.
import { type Loop, deviceLoops, portLoops } from '../own/loops.ts';
import { median } from '@vio/test/median';
import { openPair } from './pair.ts';

/** Nanoseconds per packet. */
export interface Cost {
  readonly portTransmit: number;
  readonly portReceive: number;
  readonly deviceReceive: number;
  readonly deviceTransmit: number;
}

/** Bursts of 32 in a turn: a ring of 256 is never full. */
const burstsPerTurn = 6;
const turnsPerSample = 1000;
/** Samples that belong to V8's compiler. */
const warmUpSamples = 3;

export async function costPerPacket(devargs: string, length: number, samples: number): Promise<Cost> {
  await using pair = await openPair(devargs);
  const { port, device, pool } = pair;
  const portTransmit = portLoops.txonly(port, length);
  const portReceive = portLoops.rxonly(port, length);
  const deviceReceive = deviceLoops.rxonly(device, pool, length);
  const deviceTransmit = deviceLoops.txonly(device, pool, length);
  const towardsDevice: [number, number][] = [];
  const towardsPort: [number, number][] = [];
  for (let i = 0; i < samples + warmUpSamples; i++) {
    towardsDevice.push(timeTurns(portTransmit, deviceReceive));
    towardsPort.push(timeTurns(deviceTransmit, portReceive));
  }
  return {
    portTransmit: cost(towardsDevice, 0),
    deviceReceive: cost(towardsDevice, 1),
    deviceTransmit: cost(towardsPort, 0),
    portReceive: cost(towardsPort, 1),
  };
}

function cost(times: readonly [number, number][], end: 0 | 1): number {
  return median(times.slice(warmUpSamples).map((time) => time[end]));
}

/** @returns nanoseconds per packet of the sender and of the receiver */
export function timeTurns(send: Loop, receive: Loop): [number, number] {
  let sending = 0;
  let receiving = 0;
  let packets = 0;
  for (let i = 0; i < turnsPerSample; i++) {
    const begin = performance.now();
    const sent = send(burstsPerTurn);
    const between = performance.now();
    const received = receive(burstsPerTurn);
    receiving += performance.now() - between;
    sending += between - begin;
    packets += sent;
    if (received !== sent) throw new Error(`${sent} packets were sent and ${received} received`);
  }
  return [(sending * 1e6) / packets, (receiving * 1e6) / packets];
}
