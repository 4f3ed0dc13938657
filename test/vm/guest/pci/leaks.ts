// What a port leaves behind that is opened and closed many times, or refused when it is half open.
import { readFileSync } from 'node:fs';
import { openPciPort } from '@vio/pci-driver';
import { held } from '../held.ts';
import { giveBack, hand } from './wire.ts';

const rounds = 25;

export async function leaks(ours: string, driver: string) {
  hand(ours, driver);
  let refused = 0;
  const round = async (): Promise<void> => {
    await (await openPciPort(ours)).close();
    // Found out when the features are decided already.
    await openPciPort(ours, { queueSize: 0 }).catch(() => refused++);
  };
  await round();
  const before = holdings();
  for (let i = 0; i < rounds; i++) await round();
  const after = holdings();
  return { before, after, refused, givenBack: giveBack(ours) };
}

/** Descriptors, mappings of registers and of memory, hugepages. */
function holdings() {
  return {
    ...held(/resource|vfio|memfd|huge/),
    freeHugepages: /HugePages_Free:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1],
  };
}
