// The suite of devices on a real card; a port on the card at the other end of the wire sends every frame back.
import { describeDeviceCompliance, describePortCompliance } from '@vio/net/testing';
import { openPciPort } from '@vio/pci-driver';
import { PciNetDevice, openAccess } from '@vio/pci-driver/internal';
import { mirror } from '../mirror.ts';
import { runSuites } from '../suite.ts';
import { giveBack, hand, otherEnd } from './wire.ts';

/** @returns what came of every test */
export async function compliance(ours: string, driver: string): Promise<object> {
  const cards = [ours, otherEnd(ours)];
  for (const card of cards) hand(card, driver);
  const far = await openPciPort(otherEnd(ours));
  const stop = new AbortController();
  const mirroring = mirror(far, stop.signal);
  // An idle port does not keep a process alive.
  const alive = setInterval(() => {}, 1000);
  const results = await runSuites((runner) => {
    describeDeviceCompliance('device', () => ({ device: new PciNetDevice(openAccess(ours)) }), runner);
    describePortCompliance(
      'port',
      async () => {
        const port = await openPciPort(ours);
        return { port, close: () => port.close() };
      },
      runner,
    );
  });
  stop.abort();
  await mirroring;
  await far.close();
  clearInterval(alive);
  return { results, givenBack: cards.every((card) => giveBack(card)) };
}
