import { readFileSync } from 'node:fs';
import { statNumberOf } from '@vio/native/internal';

/**
 * The NUMA node that most pages of some files lie on, as this process maps them.
 * @param files `device:inode` of each
 * @returns undefined where the system does not say
 */
export function numaNodeOf(files: ReadonlySet<string>): number | undefined {
  try {
    const mapped = addressesOf(files, readFileSync('/proc/self/maps', 'utf8'));
    return nodeOfMost(mapped, readFileSync('/proc/self/numa_maps', 'utf8'));
  } catch {
    // A kernel without NUMA has no such file.
    return undefined;
  }
}

/** Addresses in hexadecimal digits, as both files have them. */
export function addressesOf(files: ReadonlySet<string>, maps: string): ReadonlySet<string> {
  const found = new Set<string>();
  for (const line of maps.split('\n')) {
    const [range, , , device = '', inode] = line.split(/\s+/);
    const [major, minor] = device.split(':').map((part) => Number.parseInt(part, 16));
    if (files.has(`${statNumberOf({ major, minor })}:${inode}`))
      found.add(range.slice(0, range.indexOf('-')));
  }
  return found;
}

/** The node with the most pages of mappings that begin at these addresses; undefined: they have none yet. */
export function nodeOfMost(addresses: ReadonlySet<string>, numaMaps: string): number | undefined {
  const pages = new Map<number, number>();
  for (const line of numaMaps.split('\n')) {
    if (!addresses.has(line.slice(0, line.indexOf(' ')))) continue;
    for (const [, node, count] of line.matchAll(/ N(\d+)=(\d+)/g))
      pages.set(Number(node), (pages.get(Number(node)) ?? 0) + Number(count));
  }
  return Array.from(pages).toSorted(([, a], [, b]) => b - a)[0]?.[0];
}
