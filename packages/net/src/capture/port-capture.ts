import { type OptionNames, checkOptions } from '@vio/native/internal';
import type { BurstTap } from '../frames/burst-tap.ts';
import type { CaptureOptions, Watched } from './capture.ts';

/** What is captured of a port. */
export interface PortCaptureOptions extends CaptureOptions {
  /** Queue pair; default: all of them. */
  readonly queue?: number;
  /** Default `both`. */
  readonly direction?: 'rx' | 'tx' | 'both';
}

const optionNames: OptionNames<PortCaptureOptions> = {
  queue: true,
  direction: true,
  snaplen: true,
  buffer: true,
  format: true,
  signal: true,
};

/** A queue as far as a capture is concerned. */
interface TappedQueue {
  watch(tap: BurstTap): () => void;
}

/**
 * The queues of a port that the options mean.
 * @throws RangeError when the port has no such queue pair; VioError VIO_OPTION_UNKNOWN
 */
export function watchedQueues(
  port: { readonly rx: readonly TappedQueue[]; readonly tx: readonly TappedQueue[] },
  options: PortCaptureOptions,
): Watched[] {
  checkOptions('capture', options, optionNames);
  const { queue, direction = 'both' } = options;
  if (queue !== undefined && !(queue in port.rx)) throw new RangeError(`the port has no queue pair ${queue}`);
  const pairs = queue === undefined ? [...port.rx.keys()] : [queue];
  return pairs.flatMap((pair) => [
    ...(direction === 'tx' ? [] : [watched(`rx${pair}`, 'in', port.rx[pair])]),
    ...(direction === 'rx' ? [] : [watched(`tx${pair}`, 'out', port.tx[pair])]),
  ]);
}

function watched(name: string, direction: 'in' | 'out', queue: TappedQueue): Watched {
  return {
    source: { name, direction },
    watch: (tap) => queue.watch(tap),
  };
}
