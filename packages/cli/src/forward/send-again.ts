import type { PacketBurst, TxQueue } from '@vio/net';

/** How packets are sent again for which there was no room. */
export interface SendRetry {
  /** Times at most. */
  readonly times: number;
  /** Microseconds before each; nothing else is done meanwhile. */
  readonly delay: number;
}

/** Microseconds that all retries of a burst may take together: a thread that waits does nothing else, and hears nobody. */
export const longestRetry = 100_000;

/** What testpmd does. */
export const usualRetry: SendRetry = { times: 64, delay: 1 };

/** Sends packets from `from` on again and again. @returns how many were taken */
export function sendAgain(
  tx: Pick<TxQueue, 'send'>,
  burst: PacketBurst,
  from: number,
  { times, delay }: SendRetry,
): number {
  let sent = from;
  for (let i = 0; i < times && sent < burst.count; i++) {
    for (const end = performance.now() + delay / 1000; performance.now() < end;);
    sent += tx.send(burst, sent);
  }
  return sent - from;
}
