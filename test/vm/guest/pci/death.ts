// A process that is killed while its device moves frames: can the device still reach memory?
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readSync } from 'node:fs';
import { openPciPort } from '@vio/pci-driver';
import { giveBack, hand } from './wire.ts';

const COMMAND_MASTER = 4;

/** @returns whether the device was a bus master while the process ran, and after it was killed */
export async function death(ours: string, driver: string) {
  hand(ours, driver);
  const child = spawn(process.execPath, [process.argv[1], 'hold', ours], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const before = isBusMaster(ours);
  child.kill('SIGKILL');
  await once(child, 'exit');
  return { before, after: isBusMaster(ours), givenBack: giveBack(ours) };
}

/** Opens a port and sends without end. */
export async function hold(ours: string): Promise<never> {
  const port = await openPciPort(ours);
  console.log('up');
  for (;;) {
    // A wire without anybody at its end stalls, which is all the same here.
    await port.send(new Uint8Array(60), { timeout: 10 }).catch(() => {});
  }
}

function isBusMaster(address: string): boolean {
  const command = new Uint8Array(2);
  readSync(openSync(`/sys/bus/pci/devices/${address}/config`, 'r'), command, 0, 2, 4);
  return (command[0] & COMMAND_MASTER) !== 0;
}
