import { setTimeout as sleep } from 'node:timers/promises';
import { VioError, type WaitOptions } from '@vio/native';
import type { QueuePair } from '@vio/net';
import type { VhostTransport } from '@vio/vhost';
import { type StartPlan, startDevice } from './start.ts';

/** How a port that lost its backend looks for it again. */
export interface ReconnectOptions {
  /** Milliseconds before the first attempt; doubled after every one that fails. Default 100. */
  readonly minDelay?: number;
  /** Milliseconds between two attempts at most. Default 5000. */
  readonly maxDelay?: number;
  /** Attempts before the port gives up. Default: it never does. */
  readonly attempts?: number;
}

/** What reconnecting needs of a port. */
export interface ReconnectParts {
  readonly pairs: readonly QueuePair[];
  /** Reaches the backend, in the role the devargs say. */
  readonly connect: (wait: WaitOptions) => Promise<VhostTransport>;
  readonly options: ReconnectOptions;
  /** Milliseconds for each step of an attempt. */
  readonly timeout: number;
}

/**
 * Looks for the backend until it is there, and starts the device on it anew: with the features of before, and fresh
 * rings in the same memory. Packets that were on a transmit ring are given up (`TxQueue.lost`): whether the old backend
 * had read them is not known, and none is sent twice.
 * @returns the plan of the running device
 * @throws VioError VIO_RECONNECT_GIVEN_UP after the last attempt, VIO_ABORTED
 */
export async function reconnect(
  plan: StartPlan,
  parts: ReconnectParts,
  signal: AbortSignal,
): Promise<{ plan: StartPlan; attempts: number }> {
  const { minDelay = 100, maxDelay = 5000, attempts = Number.POSITIVE_INFINITY } = parts.options;
  let delay = minDelay;
  let cause: unknown;
  for (let attempt = 1; attempt <= attempts; attempt++) {
    await sleep(delay, undefined, { signal, ref: false });
    delay = Math.min(2 * delay, maxDelay);
    try {
      return { plan: await restart(plan, parts, { timeout: parts.timeout, signal }), attempts: attempt };
    } catch (error) {
      if (signal.aborted) throw error;
      cause = error;
    }
  }
  throw new VioError(`the backend did not come back in ${attempts} attempts`, {
    code: 'VIO_RECONNECT_GIVEN_UP',
    remedy: 'start the backend, and open the port again',
    cause,
  });
}

async function restart(old: StartPlan, parts: ReconnectParts, wait: WaitOptions): Promise<StartPlan> {
  const transport = await parts.connect(wait);
  try {
    await transport.setOwner(wait);
    const offered = await transport.getFeatures(wait);
    if ((old.features & ~offered) !== 0n) throw featuresGone();
    const pairs = await transport.queueNum(wait);
    if (parts.pairs.length > 1 && pairs < parts.pairs.length) throw featuresGone();
    for (const pair of parts.pairs) pair.restart();
    const rings = parts.pairs.flatMap((pair) => [pair.rx.queue, pair.tx.queue]);
    const plan = { ...old, transport, rings };
    // The old backend's last word was for the old rings.
    for (const event of [...plan.events.kick, ...plan.events.call]) event.drain();
    await startDevice(plan, wait);
    for (const { rx } of parts.pairs) rx.fill();
    return plan;
  } catch (error) {
    transport.close();
    for (const { tx } of parts.pairs) tx.pause();
    throw error;
  }
}

function featuresGone(): VioError {
  return new VioError('the backend that came back has fewer features or queues than the one before', {
    code: 'VIO_RECONNECT_FEATURES',
    remedy: 'give it the configuration of the one before, or open the port again',
    retryable: true,
  });
}
