import { NativeSingles } from './native-singles.ts';
import { PortableSingles } from './portable-singles.ts';
import type { SinglesOptions, SinglesPath } from './singles-path.ts';

/**
 * In C++ where there is a kernel, and the queue may be lent to it; both ways do the same, bit for bit, and a fuzzer holds them
 * to it. Except for a driver whose buffers overlap its ring, its tables or each other: the kernel writes header and data of one
 * packet after the other, the portable way all data and then all headers, so what is left where two of them meet differs. Such a
 * driver has broken its side (memory of a buffer is the device's until it is used), and harms itself alone: neither way leaves
 * the driver's windows, goes round in circles or keeps a buffer, whatever it then reads in that ring. The fuzzer checks this in
 * those states as well, and does not compare them.
 */
export function createSingles(options: SinglesOptions): SinglesPath {
  const kernel = options.copier.singles(options.stats?.counters);
  if (kernel !== undefined && options.queue.describe(kernel.job)) return new NativeSingles(options, kernel);
  return new PortableSingles(options);
}
