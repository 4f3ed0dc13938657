// Several queue pairs: which ones the device uses, and how it spreads what comes in.
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DevicePort } from '@vio/net';
import { PciVdpaDevice, openPciPort } from '@vio/pci-driver';
import { ip } from '../commands.ts';
import { udpFrame, udpPayload } from '../udp-frames.ts';
import { Behind } from '../vdpa-behind.ts';
import { giveBack, hand, interfaceOf, otherEnd } from './wire.ts';

const here = '10.6.0.2';
const kernel = '10.6.0.1';
const firstPort = 6000;
const flows = 24;

export async function queues(ours: string, driver: string, pairs: number) {
  hand(ours, driver);
  const port = await openPciPort(ours, { queues: pairs });
  const { interruptMode, rss, speed, duplex, mtu } = port;
  const report = await spread(port, ours, pairs);
  await port.close();
  return { interruptMode, rss: rss ?? null, speed, duplex, mtu, report, givenBack: giveBack(ours) };
}

/** The same of a port behind a backend whose frontends a card works for. */
export async function vdpaQueues(ours: string, pairs: number) {
  hand(ours, 'vfio-pci');
  const device = await PciVdpaDevice.open(`${ours},vdpa=1`);
  const behind = await Behind.start(device);
  const port = await behind.port(pairs);
  const report = await spread(port, ours, pairs);
  await port.close();
  await behind[Symbol.asyncDispose]();
  device.close();
  return { queueNum: device.queueNum, ended: behind.ended, report, givenBack: giveBack(ours) };
}

/** Which queues a card sends from, and spreads to. */
async function spread(port: DevicePort, ours: string, pairs: number): Promise<Record<string, number[]>> {
  const { rss, control } = port;
  const far = interfaceOf(otherEnd(ours));
  const farMac = readFileSync(`/sys/class/net/${far}/address`, 'utf8').trim();
  ip([
    `addr add ${kernel}/24 dev ${far}`,
    `link set ${far} up`,
    `neigh add ${here} lladdr ${port.mac} dev ${far}`,
  ]);
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(firstPort, kernel, resolve));

  /** Each transmit queue sends a datagram that says its number. @returns the numbers that came */
  async function transmitted(): Promise<number[]> {
    const arrived = new Set<number>();
    const heard = (message: Uint8Array): void => void arrived.add(message[0]);
    socket.on('message', heard);
    const ends = { fromMac: port.mac, toMac: farMac, from: here, to: kernel, port: firstPort };
    for (let round = 0; round < 100 && arrived.size < pairs; round++) {
      for (const [queue, tx] of port.tx.entries()) {
        const frame = udpFrame(ends, Uint8Array.of(queue));
        const burst = port.burst(1);
        port.pool.alloc(burst.buffer, 0, 1);
        burst.offset[0] = port.pool.dataBase + burst.buffer[0] * port.pool.stride;
        port.region.u8.set(frame, burst.offset[0]);
        burst.length[0] = frame.length;
        burst.segments[0] = 1;
        burst.count = 1;
        burst.release(tx.send(burst));
      }
      await sleep(20);
    }
    socket.off('message', heard);
    return [...arrived].toSorted((a, b) => a - b);
  }

  /** The kernel sends flows. @returns the receive queues they came on, once all of them have */
  async function received(): Promise<number[]> {
    const missing = new Set(Array.from({ length: flows }, (_, flow) => firstPort + flow));
    const used = new Set<number>();
    const burst = port.burst();
    for (let round = 0; round < 100 && missing.size > 0; round++) {
      for (const flow of missing) socket.send('flow', flow, here);
      await sleep(20);
      for (const [queue, rx] of port.rx.entries()) {
        for (let n = rx.receive(burst); n > 0; n = rx.receive(burst)) {
          for (let i = 0; i < n; i++) {
            const bytes = port.region.u8.subarray(burst.offset[i], burst.offset[i] + burst.length[i]);
            const flow = [...missing].find((each) => udpPayload(bytes, each) !== undefined);
            if (flow === undefined) continue;
            used.add(queue);
            missing.delete(flow);
          }
          burst.release();
        }
      }
    }
    if (missing.size > 0) throw new Error(`flows got lost: ${[...missing].join(', ')}`);
    return [...used].toSorted((a, b) => a - b);
  }

  const report: Record<string, number[]> = { transmitted: await transmitted() };
  await control.setQueuePairs(1);
  report['one pair'] = await received();
  if (rss !== undefined) {
    const key = Uint8Array.from({ length: rss.keyBytes }, (_, i) => (i * 37 + 11) & 0xff);
    const table = (queue: (i: number) => number): number[] =>
      Array.from({ length: rss.tableEntries }, (_, i) => queue(i));
    const common = { key, hashTypes: rss.hashTypes, transmitQueues: pairs };
    for (let queue = 0; queue < pairs; queue++) {
      await control.setRss({ ...common, table: table(() => queue), unclassified: queue });
      report[`all to ${queue}`] = await received();
    }
    await control.setRss({ ...common, table: table((i) => i % pairs), unclassified: 0 });
    report['spread'] = await received();
  }
  socket.close();
  ip([`addr del ${kernel}/24 dev ${far}`, `link set ${far} down`]);
  return report;
}
