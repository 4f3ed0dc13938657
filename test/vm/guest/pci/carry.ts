// UDP both ways between a port on our card and the kernel's card.
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { listVirtioDevices, openPciPort } from '@vio/pci-driver';
import { ip } from '../commands.ts';
import { udpFrame, udpPayload, uniquePayload } from '../udp-frames.ts';
import { giveBack, hand, interfaceOf, otherEnd } from './wire.ts';

const here = '10.2.0.2';
const kernel = '10.2.0.1';
const udpPort = 5000;
const rounds = 40;

/**
 * Hands our card over, carries frames of many sizes both ways, and gives it back to the kernel.
 * @param restart resets the queues before, one by one
 */
export async function carry(ours: string, driver: string, restart: boolean) {
  const found = listVirtioDevices().map(({ address }) => address);
  const previous = hand(ours, driver);
  const log: string[] = [];
  const port = await openPciPort(ours, { log: (line) => log.push(line) });
  if (restart) for (const direction of ['rx', 'tx'] as const) await port.resetQueue({ direction, queue: 0 });

  const card = interfaceOf(otherEnd(ours));
  const cardMac = readFileSync(`/sys/class/net/${card}/address`, 'utf8').trim();
  ip([
    `addr add ${kernel}/24 dev ${card}`,
    `link set ${card} up`,
    `neigh add ${here} lladdr ${port.mac} dev ${card}`,
  ]);
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(udpPort, kernel, resolve));

  const lengths = Array.from({ length: rounds }, (_, n) => 1 + ((n * 97) % 1472));
  const key = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
  const toKernel = new Set(lengths.map((length, n) => key(uniquePayload(n, length))));
  const fromKernel = new Set(lengths.map((length, n) => key(uniquePayload(rounds + n, length))));
  let strangers = 0;
  socket.on('message', (message) => {
    if (!toKernel.delete(key(message))) strangers++;
  });
  const stop = new AbortController();
  const reading = (async () => {
    for await (const frame of port.packets({ signal: stop.signal })) {
      const payload = udpPayload(frame, udpPort);
      if (payload !== undefined && !fromKernel.delete(key(payload))) strangers++;
    }
  })();

  const ends = { fromMac: port.mac, toMac: cardMac, from: here, to: kernel, port: udpPort };
  for (const [n, length] of lengths.entries()) {
    await port.send(udpFrame(ends, uniquePayload(n, length)));
    await new Promise((resolve) => socket.send(uniquePayload(rounds + n, length), udpPort, here, resolve));
  }
  for (let i = 0; i < 400 && toKernel.size + fromKernel.size > 0; i++) await sleep(25);
  const lost = { toKernel: toKernel.size, fromKernel: fromKernel.size };
  stop.abort();
  await reading;
  socket.close();
  const { features, access, modern, interruptMode, mac } = port;
  await port.close();
  ip([`addr del ${kernel}/24 dev ${card}`, `link set ${card} down`]);
  return {
    found,
    previous,
    log,
    features: features.toString(16),
    access,
    modern,
    interruptMode,
    mac,
    lost,
    strangers,
    givenBack: giveBack(ours),
  };
}
