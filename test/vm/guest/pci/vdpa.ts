// A card that works on the rings of vhost-user frontends; a port on the card at the other end of the wire sends every frame back.
import { writeFile } from 'node:fs/promises';
import { PciVdpaDevice, openPciPort } from '@vio/pci-driver';
import { until } from '@vio/test-support/plain';
import { held } from '../held.ts';
import { mirror } from '../mirror.ts';
import { monitor } from '../monitor.ts';
import { codeOfOpening } from '../opening-code.ts';
import { Behind, byCommand, moved, suite, testpmd } from '../vdpa-behind.ts';
import { giveBack, hand, otherEnd } from './wire.ts';

/** Mappings of cards, and of memory that is shared. */
const ofCards = /vfio|memfd/;

/** With a mirror at the other end of the wire. */
async function mirrored<T>(ours: string, action: () => Promise<T>): Promise<T & { givenBack: boolean }> {
  const cards = [ours, otherEnd(ours)];
  for (const card of cards) hand(card, 'vfio-pci');
  const far = await openPciPort(otherEnd(ours));
  const stop = new AbortController();
  const mirroring = mirror(far, stop.signal);
  // An idle port does not keep a process alive.
  const alive = setInterval(() => {}, 1000);
  try {
    const result = await action();
    stop.abort();
    await mirroring;
    await far.close();
    return { ...result, givenBack: cards.every((card) => giveBack(card)) };
  } finally {
    clearInterval(alive);
  }
}

/** @returns what came of every test of the suite */
export function vdpaSuite(ours: string, whole: boolean) {
  return mirrored(ours, async () => ({
    results: await suite(async () => {
      const device = await PciVdpaDevice.open(ours);
      return { device, close: () => device.close() };
    }, whole),
  }));
}

/** DPDK's virtio-user, a guest that is moved, and the command. */
export function vdpaPeers(ours: string) {
  return mirrored(ours, async () => {
    const device = await PciVdpaDevice.open(`${ours},vdpa=1`);
    const port = await codeOfOpening(openPciPort(`${ours},vdpa=1`));
    const behind = await Behind.start(device);
    const dpdk = await testpmd(behind.path);
    const journey = await moved(behind.path, 20);
    // When it is detached, the device has let go of whom it worked for.
    await behind.driver.detachVdpaDevice();
    const before = held(ofCards);
    behind.driver.attachVdpaDevice(device);
    for (let round = 0; round < 10; round++) await (await behind.port()).close();
    await behind.driver.detachVdpaDevice();
    await until(() => JSON.stringify(held(ofCards)) === JSON.stringify(before));
    const leaked = held(ofCards).descriptors - before.descriptors + held(ofCards).mappings - before.mappings;
    await behind[Symbol.asyncDispose]();
    device.close();
    return { port, dpdk, journey, leaked, command: await byCommand(ours) };
  });
}

/** A card that is taken away while frames go through it. @param how `unbind`, or its name for QEMU */
export async function vdpaTaken(ours: string, how: string) {
  hand(ours, 'vfio-pci');
  const device = await PciVdpaDevice.open(ours);
  const behind = await Behind.start(device);
  const port = await behind.port();
  const alive = setInterval(() => {}, 1000);
  const sending = setInterval(() => void codeOfOpening(port.send(new Uint8Array(60), { timeout: 50 })), 1);
  await until(() => port.stats()['tx_q0_good_packets'] > 0);
  const removal =
    how === 'unbind' ? writeFile('/sys/bus/pci/drivers/vfio-pci/unbind', ours) : monitor(`device_del ${how}`);
  await until(() => behind.ended.length > 0, 20_000);
  clearInterval(sending);
  // Who takes it away waits until it is closed here.
  await removal;
  const again = await codeOfOpening(behind.port());
  await port.close();
  await behind[Symbol.asyncDispose]();
  clearInterval(alive);
  return {
    ended: [...new Set(behind.ended)],
    down: device.down?.code,
    refused: again !== 'none',
    open: held(ofCards).descriptors,
    ...(how === 'unbind' ? { givenBack: giveBack(ours) } : {}),
  };
}
