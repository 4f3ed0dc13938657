import { readFileSync, readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Open descriptors of this process. */
export function openFds(): number {
  return readdirSync('/proc/self/fd').length;
}

/** `flags` of an open descriptor, as fcntl F_GETFL and FD_CLOEXEC have them. */
export function fdFlags(fd: number): number {
  const text = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '';
  return Number.parseInt(text, 8);
}

/** How many mappings of this process carry a name. */
export function mappingsNamed(name: string): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(name)).length;
}

/** A field of /proc/self/smaps in KiB, of the mapping with a name. */
export function mappingField(name: string, field: string): number {
  const smaps = readFileSync('/proc/self/smaps', 'utf8');
  const text = smaps.slice(smaps.indexOf(name));
  return Number(new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(text)?.[1]);
}

/** Collects garbage now. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
}
