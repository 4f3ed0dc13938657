// The poll loop, as DPDK's l3fwd-power has it: after some polls that found nothing, the queue's interrupt is armed.
import type { NetPort } from '@vio/net';

/** Empty polls before the loop sleeps. */
const patience = 1000;
/** Polls between two turns of the event loop. */
const pollsPerTurn = 500;

export interface Counts {
  frames: number;
  /** Looks at the receive queue. */
  polls: number;
  asleep: boolean;
}

/** Sends every frame back where it came from. */
export async function forward(port: NetPort, counts: Counts, signal: AbortSignal): Promise<void> {
  const [rx] = port.rx;
  const [tx] = port.tx;
  const burst = port.burst(32);
  let empty = 0;
  while (!signal.aborted) {
    counts.polls += pollsPerTurn;
    for (let i = 0; i < pollsPerTurn; i++) {
      const received = rx.receive(burst);
      empty = received > 0 ? 0 : empty + 1;
      if (received === 0) continue;
      const sent = tx.send(burst);
      burst.release(sent);
      counts.frames += sent;
    }
    if (empty < patience) {
      await new Promise((resolve) => setImmediate(resolve));
    } else {
      // Nothing came for a while: the next frame will wake us.
      tx.reap();
      counts.asleep = true;
      await port.untilPackets({ signal });
      counts.asleep = false;
      empty = 0;
    }
  }
}
