// What a port leaves behind that is opened and closed many times, or refused when it is half open.
import { readFileSync, readdirSync } from 'node:fs';
import { openPciPort } from '@vio/pci-driver';
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
  const before = held();
  for (let i = 0; i < rounds; i++) await round();
  const after = held();
  return { before, after, refused, givenBack: giveBack(ours) };
}

/** Descriptors, mappings of registers and of memory, hugepages. */
function held() {
  const mappings = readFileSync('/proc/self/maps', 'utf8').split('\n');
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    mappings: mappings.filter((line) => /resource|vfio|memfd|huge/.test(line)).length,
    freeHugepages: /HugePages_Free:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1],
  };
}
