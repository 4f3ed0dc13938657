// The link of a card, as QEMU's monitor sets it, in whatever way its port hears of it.
import type { LinkState } from '@vio/net';
import { openPciPort } from '@vio/pci-driver';
import { monitor } from '../monitor.ts';
import { giveBack, hand } from './wire.ts';

/** @param name of the card for QEMU. @returns what the port said when the link went down, and up again */
export async function link(ours: string, driver: string, name: string) {
  hand(ours, driver);
  // Where there are interrupts, nothing but an interrupt may tell.
  const port = await openPciPort(ours, driver === 'none' ? {} : { watchInterval: 600_000 });
  const { interruptMode } = port;
  const states: LinkState[] = [];
  for (const state of ['off', 'on']) {
    const changed = new Promise<void>((resolve) => {
      port.once('link', (heard) => {
        states.push(heard);
        resolve();
      });
    });
    await monitor(`set_link ${name} ${state}`);
    await within(20_000, changed);
  }
  await port.close();
  return { interruptMode, states, givenBack: giveBack(ours) };
}

async function within(milliseconds: number, what: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('nothing was heard')), milliseconds);
  });
  await Promise.race([what, late]);
  clearTimeout(timer);
}
