import { readFileSync, statSync } from 'node:fs';
import { fileKind, statOfFd } from '@vio/native/internal';

/** Of a character device; what is none has -2, which no device has. @param file path or descriptor */
export function numbersOf(file: string | number): { major: number; minor: number } {
  if (fileKind(file) !== 'character-device') return { major: -2, minor: -2 };
  const rdev = Number((typeof file === 'number' ? statOfFd(file) : statSync(file)).rdev);
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}

/** The kernel finds this one when the module is loaded; -1 while it is not. */
export function vdpaMajor(): number {
  const line = /^ *(\d+) vhost-vdpa$/m.exec(readFileSync('/proc/devices', 'utf8'));
  return Number(line?.[1] ?? -1);
}
