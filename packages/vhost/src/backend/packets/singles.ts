import { NativeSingles } from './native-singles.ts';
import { PortableSingles } from './portable-singles.ts';
import type { SinglesOptions, SinglesPath } from './singles-path.ts';

/** In C++ where there is a kernel, and the queue may be lent to it. */
export function createSingles(options: SinglesOptions): SinglesPath {
  const kernel = options.copier.singles();
  if (kernel !== null && options.queue.describe(kernel.job)) return new NativeSingles(options, kernel);
  return new PortableSingles(options);
}
