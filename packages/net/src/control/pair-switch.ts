import type { TxQueue } from '../queue/tx-queue.ts';
import type { QueuePairsListener } from './net-control.ts';

/** Milliseconds that packets on a transmit queue get to leave before the device stops reading it. */
const drainMilliseconds = 500;

/**
 * Holds back the transmit queues of a port that its device is about to use no longer (virtio 1.4, section 5.1.9.5.6.1),
 * and lets those go that it uses. What is on a ring is sent before, as far as the device takes it in time.
 */
export function pairSwitch(tx: readonly TxQueue[]): QueuePairsListener {
  return {
    async before(pairs) {
      const ending = tx.slice(pairs);
      for (const queue of ending) queue.hold();
      const end = performance.now() + drainMilliseconds;
      while (ending.some(hasPackets) && performance.now() < end)
        await new Promise((resolve) => setTimeout(resolve, 1));
    },
    after(pairs) {
      for (const [pair, queue] of tx.entries()) {
        if (pair < pairs) queue.release();
        else queue.hold();
      }
    },
  };
}

function hasPackets(tx: TxQueue): boolean {
  tx.reap();
  return tx.queue.outstanding > 0 && tx.queue.broken === undefined;
}
