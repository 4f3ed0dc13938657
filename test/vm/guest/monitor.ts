// QEMU's monitor, which is the second serial port of a guest.
import { writeFileSync } from 'node:fs';
import { sh } from './commands.ts';

/** Has QEMU do something, as `set_link card08 off`. */
export async function monitor(command: string): Promise<void> {
  await sh('stty -F /dev/ttyS1 raw -echo');
  // Ends first whatever the monitor took for the beginning of a command.
  writeFileSync('/dev/ttyS1', `\r${command}\r`);
}
