import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Sizes of the pages that memory may be made of, besides the system's own. */
export type HugepageSize = '2M' | '1G';

/** Bytes of each. */
export const hugepageBytes = { '2M': 2 ** 21, '1G': 2 ** 30 } as const;

/** Where the kernel counts those of all sizes. */
const hugepagesDirectory = '/sys/kernel/mm/hugepages';

/** Where the kernel counts those of one size. */
export function hugepageDirectory(size: HugepageSize, root = hugepagesDirectory): string {
  return join(root, `hugepages-${hugepageBytes[size] / 1024}kB`);
}

/**
 * Huge pages that are reserved, that nobody has, and that nobody was promised. 0 where the kernel has none of this size, or does not
 * say: a container may hide it.
 */
export function freeHugepages(size: HugepageSize, root = hugepagesDirectory): number {
  const count = (name: string): number =>
    Number(readFileSync(join(hugepageDirectory(size, root), name), 'utf8'));
  try {
    return Math.max(0, count('free_hugepages') - count('resv_hugepages'));
  } catch {
    return 0;
  }
}
