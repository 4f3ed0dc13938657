// What can go wrong with a card: each is told by name, and the process lives on.
import { createSocket } from 'node:dgram';
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LinkState } from '@vio/net';
import { type PciPort, openPciPort } from '@vio/pci-driver';
import { turns } from '@vio/test-support/plain';
import { codeOfOpening } from '../opening-code.ts';
import { ip } from '../commands.ts';
import { monitor } from '../monitor.ts';
import { giveBack, hand, interfaceOf, otherEnd } from './wire.ts';

const opening = (address: string): Promise<string> => codeOfOpening(openPciPort(address));

/** Cards that cannot be opened. @param bound a card of the kernel's */
export async function refusals(bound: string, driver: string) {
  const missing = await opening('0000:00:1e.7');
  const wrongDriver = await opening(bound);
  const notVirtio = await opening('0000:00:00.0');
  hand(bound, driver);
  const port = await openPciPort(bound);
  const busy = driver === 'vfio-pci' ? await opening(bound) : 'not told';
  await port.close();
  process.seteuid?.(65534);
  const withoutPermission = await opening(bound);
  process.seteuid?.(0);
  return { missing, wrongDriver, notVirtio, busy, withoutPermission, givenBack: giveBack(bound) };
}

/** A receive ring with nonsense in it: QEMU gives the device up at the next frame, and asks for a reset. */
export async function needsReset(ours: string, driver: string) {
  hand(ours, driver);
  const port = await openPciPort(ours);
  const down = linkDown(port);
  const { addresses, size } = port.rx[0].queue;
  port.region.u16.fill(0xffff, addresses.driver / 2 + 2, addresses.driver / 2 + 2 + size);
  const far = interfaceOf(otherEnd(ours));
  ip([
    `addr add 10.4.0.1/24 dev ${far}`,
    `link set ${far} up`,
    `neigh add 10.4.0.2 lladdr ${port.mac} dev ${far}`,
  ]);
  const socket = createSocket('udp4');
  // The first ones may go nowhere: the wire takes a moment to come up.
  const sending = setInterval(() => socket.send('a frame', 9, '10.4.0.2'), 50);
  const reason = await down;
  clearInterval(sending);

  const afterwards = await codeOfOpening(port.send(new Uint8Array(60)));
  socket.close();
  await port.close();
  ip([`addr del 10.4.0.1/24 dev ${far}`, `link set ${far} down`]);
  const again = await openPciPort(ours);
  const worksAgain = again.link.up;
  await again.close();
  return { reason, afterwards, worksAgain, givenBack: giveBack(ours) };
}

/** A card that is pulled out while frames go through it. @param how `sysfs`, or its name for QEMU */
export async function unplug(ours: string, driver: string, how: string) {
  hand(ours, driver);
  const port = await openPciPort(ours);
  const { access } = port;
  const down = linkDown(port);
  const stop = new AbortController();
  const sending = (async () => {
    while (!stop.signal.aborted) {
      // The frames of a dead device go nowhere, and are nobody's fault.
      for (let i = 0; i < 16; i++) await codeOfOpening(port.send(new Uint8Array(60), { timeout: 50 }));
      await turns(1);
    }
  })();
  await sleep(50);
  const sent = port.stats()['tx_q0_good_packets'];
  // VFIO makes the one who removes wait until the device is closed.
  const removal =
    how === 'sysfs' ? writeFile(`/sys/bus/pci/devices/${ours}/remove`, '1') : monitor(`device_del ${how}`);
  const reason = await down;
  stop.abort();
  await sending;
  const afterwards = await codeOfOpening(port.send(new Uint8Array(60), { timeout: 1000 }));
  await port.close();
  await removal;
  if (how === 'sysfs') await writeFile('/sys/bus/pci/rescan', '1');
  return { access, sentBefore: sent > 0, reason, afterwards };
}

function linkDown(port: PciPort): Promise<string> {
  return new Promise((resolve) => {
    const heard = ({ up, reason }: LinkState): void => {
      if (up) return;
      port.off('link', heard);
      resolve(reason?.code ?? 'no reason');
    };
    port.on('link', heard);
    setTimeout(() => resolve('nothing was heard'), 20_000).unref();
  });
}
