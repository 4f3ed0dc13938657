import { chainsJob, chainsJobWords } from '@vio/native/internal';
import type { ChainsOptions, ChainsPath } from './chains-path.ts';
import { NativeChains } from './native-chains.ts';
import { PortableChains } from './portable-chains.ts';

/**
 * In C++ where there is a kernel; both ways do the same, as `createSingles` says.
 * @returns undefined for a queue that has to see every chain itself, or whose addresses have to be translated first
 */
export function createChains(options: ChainsOptions): ChainsPath | undefined {
  const kernel = options.copier.chains();
  const job = kernel?.job ?? new Int32Array(chainsJobWords);
  if (!options.queue.describe(job) || job[chainsJob.tables] < 0) return undefined;
  return kernel === undefined ? new PortableChains(options) : new NativeChains(options, kernel);
}
