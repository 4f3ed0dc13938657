import type { RxQueue } from '../queue/rx-queue.ts';
import type { TxQueue } from '../queue/tx-queue.ts';
import type { CaptureOptions, Watched } from './capture.ts';

export interface PortCaptureOptions extends CaptureOptions {
  /** Queue pair; default: all of them. */
  readonly queue?: number;
  /** Default `both`. */
  readonly direction?: 'rx' | 'tx' | 'both';
}

/** The queues of a port that the options mean. @throws RangeError when the port has no such queue pair */
export function watchedQueues(
  port: { readonly rx: readonly RxQueue[]; readonly tx: readonly TxQueue[] },
  { queue, direction = 'both' }: PortCaptureOptions,
): Watched[] {
  if (queue !== undefined && !(queue in port.rx)) throw new RangeError(`the port has no queue pair ${queue}`);
  const pairs = queue === undefined ? [...port.rx.keys()] : [queue];
  return pairs.flatMap((pair) => [
    ...(direction === 'tx' ? [] : [watched(`rx${pair}`, 'in', port.rx[pair])]),
    ...(direction === 'rx' ? [] : [watched(`tx${pair}`, 'out', port.tx[pair])]),
  ]);
}

function watched(name: string, direction: 'in' | 'out', queue: RxQueue | TxQueue): Watched {
  return {
    source: { name, direction },
    watch: (tap) => queue.watch(tap),
    unwatch: (tap) => queue.unwatch(tap),
  };
}
