import { readFileSync, statSync } from 'node:fs';
import { type DeviceNumber, deviceNumberOf, fileKind, statOfFd } from '@vio/native/internal';

/** Of a character device; what is none has -2, which no device has. @param file path or descriptor */
export function numbersOf(file: string | number): DeviceNumber {
  if (fileKind(file) !== 'character-device') return { major: -2, minor: -2 };
  return deviceNumberOf(Number((typeof file === 'number' ? statOfFd(file) : statSync(file)).rdev));
}

/** The kernel finds this one when the module is loaded; -1 while it is not. */
export function vdpaMajor(): number {
  const line = /^ *(\d+) vhost-vdpa$/m.exec(readFileSync('/proc/devices', 'utf8'));
  return Number(line?.[1] ?? -1);
}
