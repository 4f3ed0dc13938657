// A process that ends while its device moves frames: can the device still reach memory?
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readSync } from 'node:fs';
import { openPciPort } from '@vio/pci-driver';
import { turns } from '@vio/test-support/plain';
import { giveBack, hand } from './wire.ts';

const COMMAND_MASTER = 4;

/** How a process ends: killed, or by itself, as an exception that nobody catches ends it too. */
export type Ending = 'killed' | 'exits';

/** @returns whether the device was a bus master while the process ran, and after its end */
export async function death(ours: string, driver: string, ending: Ending) {
  hand(ours, driver);
  const child = spawn(process.execPath, [process.argv[1], 'hold', ours], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(child.stdout, 'data');
  const before = isBusMaster(ours);
  child.kill(ending === 'killed' ? 'SIGKILL' : 'SIGUSR2');
  await once(child, 'exit');
  return { before, after: isBusMaster(ours), givenBack: giveBack(ours) };
}

/** Opens a port and sends without end. */
export async function hold(ours: string): Promise<never> {
  const port = await openPciPort(ours);
  process.once('SIGUSR2', () => process.exit());
  console.log('up');
  for (;;) {
    // A wire without anybody at its end stalls, which is all the same here.
    await port.send(new Uint8Array(60), { timeout: 10 }).catch(() => {});
    await turns(1);
  }
}

function isBusMaster(address: string): boolean {
  const command = new Uint8Array(2);
  readSync(openSync(`/sys/bus/pci/devices/${address}/config`, 'r'), command, 0, 2, 4);
  return (command[0] & COMMAND_MASTER) !== 0;
}
